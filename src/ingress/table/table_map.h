/*
 * Which numbers have a hash, while a table is put together: its user numbers things and compares them. Nothing is ever
 * taken out.
 */
#pragma once

#include <stdint.h>

#define TABLE_MAP_NONE UINT32_MAX

struct table_map_slot {
    uint32_t hash;
    uint32_t number; /* NONE: the slot is empty */
};

/* All zero at the start. */
struct table_map {
    struct table_map_slot *slots;
    uint32_t n_slots; /* a power of two, or 0 */
    uint32_t n;
};

void table_map_done(struct table_map *map);

/* The first number of that hash, or the next one; `*at` is 0 at the start. NONE when there is no other. */
uint32_t table_map_next(const struct table_map *map, uint32_t hash, uint32_t *at);

/* 0 or -ENOMEM. */
int table_map_add(struct table_map *map, uint32_t hash, uint32_t number);
