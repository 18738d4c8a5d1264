#include "fleet/shell/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"

#define BLOCK (16 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t cap) {
    *arena = (struct arena){.cap = cap};
}

void arena_done(struct arena *arena) {
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
    arena->taken = 0;
}

/* A block of its own for what is large, behind the first, so that the first goes on being filled. */
static struct arena_block *add_block(struct arena *arena, size_t n) {
    size_t size = MAX_OF(n, (size_t)BLOCK);
    struct arena_block *block;

    if (size > arena->cap - arena->taken) {
        errno = ENOBUFS;
        return NULL;
    }
    block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    arena->taken += size;
    block->size = size;
    if (n >= BLOCK && arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_take(struct arena *arena, size_t n) {
    struct arena_block *block = arena->blocks;
    size_t aligned;
    char *p;

    if (n > arena->cap) {
        errno = ENOBUFS;
        return NULL;
    }
    aligned = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!block || aligned > block->size - block->used)
        block = add_block(arena, aligned);
    if (!block)
        return NULL;
    p = block->bytes + block->used;
    block->used += aligned;
    return p;
}

struct slice arena_copy(struct arena *arena, struct slice bytes) {
    char *p = arena_take(arena, bytes.n + 1);

    if (p && bytes.n > 0)
        memcpy(p, bytes.p, bytes.n);
    return slice_of(p, p ? bytes.n : 0);
}

static bool is_power_of_two(size_t n) {
    return (n & (n - 1)) == 0;
}

void *arena_grow(struct arena *arena, void *array, size_t n, size_t element) {
    void *larger;

    /* there is room for 4, then for each power of two */
    if (array && (n < 4 || !is_power_of_two(n)))
        return array;
    larger = arena_take(arena, MAX_OF(2 * n, (size_t)4) * element);
    if (larger && array)
        memcpy(larger, array, n * element);
    return larger;
}
