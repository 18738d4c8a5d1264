/*
 * Memory that is taken in pieces and given back at once: words and commands live as long as the text they were read
 * of. Never more than its cap, so that no text can size it.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t taken, cap;
};

void arena_init(struct arena *arena, size_t cap);
void arena_done(struct arena *arena);

/* Zeroed, and aligned for anything. NULL with errno ENOBUFS at the cap, ENOMEM without memory. */
void *arena_take(struct arena *arena, size_t n);

/* A copy of `bytes`, with a NUL behind it that does not count. As arena_take; `p` is NULL on failure. */
struct slice arena_copy(struct arena *arena, struct slice bytes);

/*
 * Room for one more element behind the `n` of `array`, which is NULL or came from here: where the array is now. It
 * doubles when it is full, and what it leaves behind stays taken.
 */
void *arena_grow(struct arena *arena, void *array, size_t n, size_t element);
