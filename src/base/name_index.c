#include "base/name_index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define ROWS_LEAST 64 /* a power of two, as they stay */

static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* From a seed, then mixed: neighbours in a row are chosen by chance, not by whoever chose the names. */
static uint64_t hash_of(const struct name_index *index, struct slice name) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ index->seed ^ name.n, word;

    for (; name.n >= sizeof(word); name = slice_from(name, sizeof(word))) {
        memcpy(&word, name.p, sizeof(word));
        hash = fold(hash ^ word, index->seed | 1);
    }

    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 32 ^ index->seed) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static struct name_place **row_of(struct name_place **rows, size_t n_rows, uint64_t hash) {
    return &rows[hash & (n_rows - 1)];
}

static void put(struct name_place **row, struct name_place *place) {
    place->next = *row;
    *row = place;
}

static int grow(struct name_index *index) {
    size_t n_rows = index->n_rows > 0 ? 2 * index->n_rows : ROWS_LEAST;
    struct name_place **rows = calloc(n_rows, sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < index->n_rows; i++)
        for (struct name_place *place = index->rows[i], *next; place; place = next) {
            next = place->next;
            put(row_of(rows, n_rows, place->hash), place);
        }
    free(index->rows);
    index->rows = rows;
    index->n_rows = n_rows;
    return 0;
}

int name_index_add(struct name_index *index, struct name_place *place, struct slice name) {
    if (index->n_rows == 0 && getrandom(&index->seed, sizeof(index->seed), GRND_NONBLOCK) < 0)
        index->seed = 0; /* whoever chooses names could make it slow, and no more */
    if (index->n >= index->n_rows && grow(index) < 0 && index->n_rows == 0)
        return -ENOMEM; /* with rows that are too few it is slower, and goes on */
    *place = (struct name_place){.name = name, .hash = hash_of(index, name)};
    put(row_of(index->rows, index->n_rows, place->hash), place);
    index->n++;
    return 0;
}

struct name_place *name_index_find(const struct name_index *index, struct slice name) {
    uint64_t hash = hash_of(index, name);
    struct name_place *place = index->n_rows > 0 ? *row_of(index->rows, index->n_rows, hash) : NULL;

    while (place && !(place->hash == hash && slice_equals(place->name, name)))
        place = place->next;
    return place;
}

void name_index_remove(struct name_index *index, struct name_place *place) {
    struct name_place **at = index->n_rows > 0 ? row_of(index->rows, index->n_rows, place->hash) : NULL;

    while (at && *at && *at != place)
        at = &(*at)->next;
    if (!at || !*at)
        return;
    *at = place->next;
    *place = (struct name_place){0};
    index->n--;
}

void name_index_done(struct name_index *index) {
    free(index->rows);
    *index = (struct name_index){0};
}
