#include "ingress/desk/shelf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* FNV-1a: keys come from the administrator's table, nobody chooses them to collide. */
static struct shelf_item **slot_of(const struct shelf *shelf, struct slice key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
    return &shelf->slots[(hash ^ hash >> 32) & (shelf->n_slots - 1)];
}

int shelf_init(struct shelf *shelf, size_t n_slots) {
    *shelf = (struct shelf){.slots = calloc(n_slots, sizeof(*shelf->slots)), .n_slots = n_slots};
    return shelf->slots ? 0 : -ENOMEM;
}

void shelf_done(struct shelf *shelf) {
    free(shelf->slots);
    *shelf = (struct shelf){0};
}

struct shelf_item *shelf_find(const struct shelf *shelf, struct slice key) {
    struct shelf_item *item = *slot_of(shelf, key);

    while (item && !slice_equals(item->key, key))
        item = item->next;
    return item;
}

static void link_newest(struct shelf *shelf, struct shelf_item *item) {
    item->older = shelf->newest;
    item->newer = NULL;
    *(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = item;
    shelf->newest = item;
}

static void unlink_item(struct shelf *shelf, struct shelf_item *item) {
    *(item->newer ? &item->newer->older : &shelf->newest) = item->older;
    *(item->older ? &item->older->newer : &shelf->oldest) = item->newer;
}

void shelf_add(struct shelf *shelf, struct shelf_item *item) {
    struct shelf_item **slot = slot_of(shelf, item->key);

    item->next = *slot;
    *slot = item;
    link_newest(shelf, item);
    shelf->n++;
}

void shelf_remove(struct shelf *shelf, struct shelf_item *item) {
    struct shelf_item **at = slot_of(shelf, item->key);

    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    unlink_item(shelf, item);
    shelf->n--;
}

void shelf_touch(struct shelf *shelf, struct shelf_item *item) {
    unlink_item(shelf, item);
    link_newest(shelf, item);
}
