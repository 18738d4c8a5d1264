/*
 * Records by their key, in the order in which they were last used: the bounded memory of the supervisor for what it is
 * told of. Allocates nothing but its slots: a record is its user's, who frees it after shelf_remove. Used by people.h.
 */
#pragma once

#include "base/slice.h"

/* A part of each record; its key must live as long as it stands here. */
struct shelf_item {
    struct slice key;
    struct shelf_item *older, *newer; /* the shelf's */
    struct shelf_item *next;          /* likewise: of the same slot */
};

struct shelf {
    struct shelf_item **slots;
    size_t n_slots, n;
    struct shelf_item *oldest, *newest;
};

/* `n_slots` is a power of two. 0 or -ENOMEM. */
int shelf_init(struct shelf *shelf, size_t n_slots);

/* Frees the slots; the records are removed and freed before. */
void shelf_done(struct shelf *shelf);

struct shelf_item *shelf_find(const struct shelf *shelf, struct slice key);

/* As the newest. There is none of that key. */
void shelf_add(struct shelf *shelf, struct shelf_item *item);
void shelf_remove(struct shelf *shelf, struct shelf_item *item);

/* It becomes the newest. */
void shelf_touch(struct shelf *shelf, struct shelf_item *item);
