#include "ingress/table/table_map.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 64 /* then twice as much; a power of two */

void table_map_done(struct table_map *map) {
    free(map->slots);
    *map = (struct table_map){0};
}

uint32_t table_map_next(const struct table_map *map, uint32_t hash, uint32_t *at) {
    while (map->n_slots > 0) {
        const struct table_map_slot *slot = &map->slots[(hash + *at) & (map->n_slots - 1)];

        if (slot->number == TABLE_MAP_NONE)
            break; /* no more than half of them are full */
        (*at)++;
        if (slot->hash == hash)
            return slot->number;
    }
    return TABLE_MAP_NONE;
}

static void put(struct table_map *map, struct table_map_slot slot) {
    uint32_t i = slot.hash & (map->n_slots - 1);

    while (map->slots[i].number != TABLE_MAP_NONE)
        i = (i + 1) & (map->n_slots - 1);
    map->slots[i] = slot;
}

static int grow(struct table_map *map) {
    struct table_map larger = {.n_slots = map->n_slots > 0 ? 2 * map->n_slots : FIRST_ROOM, .n = map->n};

    larger.slots = reallocarray(NULL, larger.n_slots, sizeof(*larger.slots));
    if (!larger.slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < larger.n_slots; i++)
        larger.slots[i].number = TABLE_MAP_NONE;
    for (uint32_t i = 0; i < map->n_slots; i++)
        if (map->slots[i].number != TABLE_MAP_NONE)
            put(&larger, map->slots[i]);
    free(map->slots);
    *map = larger;
    return 0;
}

int table_map_add(struct table_map *map, uint32_t hash, uint32_t number) {
    int r = 2 * (map->n + 1) > map->n_slots ? grow(map) : 0;

    if (r < 0)
        return r;
    put(map, (struct table_map_slot){hash, number});
    map->n++;
    return 0;
}
