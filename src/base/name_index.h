/*
 * Things that are found by a name: a hash that grows with them. Owns no name and no thing: each has a place of the index
 * as a part of it, and takes itself out before it is freed. Seeded, so that whoever chooses names cannot choose ones
 * that collide.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* A part of each thing; its name must live as long as it stands here. All zero: it is in none. */
struct name_place {
    struct slice name;
    struct name_place *next; /* the index's, as the next */
    uint64_t hash;
};

/* All zero is an empty one. */
struct name_index {
    struct name_place **rows;
    size_t n_rows, n;
    uint64_t seed;
};

/* 0 or -ENOMEM. There is none of that name yet. */
int name_index_add(struct name_index *index, struct name_place *place, struct slice name);

/* NULL when there is none. */
struct name_place *name_index_find(const struct name_index *index, struct slice name);

/* Harmless for one that is in none. */
void name_index_remove(struct name_index *index, struct name_place *place);

/* Gives its memory back; the things themselves were taken out before, or are not looked for any more. */
void name_index_done(struct name_index *index);
