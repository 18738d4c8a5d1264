#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/weaken.h"

#define BUF_FIRST_SIZE 4096

void buf_init(struct buf *b, size_t cap) {
    *b = (struct buf){.cap = WEAKENED(MEMORY) ? 256 * cap : cap};
}

void buf_init_secret(struct buf *b, size_t cap) {
    buf_init(b, cap);
    b->is_secret = true;
}

/*
 * Buffers come and go with every message, and nearly all of them are of the first size: a few are kept for the next.
 * Not where a sanitizer is to see who looks into one that was given back.
 */
#ifdef CREDFD_SANITIZED
#define KEEPS_SPARES false
#else
#define KEEPS_SPARES true
#endif
#define SPARES 64 /* so many exchanges are often under way at once */

static struct {
    char *at[SPARES];
    size_t n;
} spares;

static char *take_memory(size_t size) {
    return size == BUF_FIRST_SIZE && spares.n > 0 ? spares.at[--spares.n] : malloc(size);
}

static void give_memory(char *memory, size_t size) {
    if (KEEPS_SPARES && size == BUF_FIRST_SIZE && spares.n < ARRAY_LEN(spares.at))
        spares.at[spares.n++] = memory;
    else
        free(memory);
}

void buf_rest(void) {
    while (spares.n > 0)
        free(spares.at[--spares.n]);
}

void buf_give_back(struct buf *b) {
    if (b->is_secret)
        explicit_bzero(b->memory, b->size);
    give_memory(b->memory, b->size);
    b->memory = NULL;
    b->start = b->end = b->size = 0;
}

/* Moves the queued bytes into memory of `size` bytes; realloc would leave an unwiped copy of a secret behind. */
static int resize(struct buf *b, size_t size) {
    size_t length = buf_length(b);
    char *memory = take_memory(size);

    if (!memory)
        return -ENOMEM;
    if (length > 0)
        memcpy(memory, b->memory + b->start, length);
    buf_release(b);
    b->memory = memory;
    b->end = length;
    b->size = size;
    return 0;
}

char *buf_make_room(struct buf *b, size_t want, size_t *ret_room) {
    size_t length = buf_length(b);

    if (length >= b->cap) {
        errno = ENOBUFS;
        return NULL;
    }
    want = MIN_OF(want, b->cap - length);
    if (b->size - b->end < want && b->size - length >= want) {
        memmove(b->memory, b->memory + b->start, length);
        b->start = 0;
        b->end = length;
    }
    if (b->size - b->end < want) {
        size_t size = MAX_OF(b->size, (size_t)BUF_FIRST_SIZE);
        int r;

        while (size < length + want)
            size *= 2;
        r = resize(b, MIN_OF(size, MAX_OF(b->cap, length + want)));
        if (r < 0) {
            errno = -r;
            return NULL;
        }
    }
    *ret_room = MIN_OF(b->size - b->end, b->cap - length);
    return b->memory + b->end;
}

int buf_append(struct buf *b, struct slice bytes) {
    size_t room;
    char *to;

    if (bytes.n == 0)
        return 0;
    if (bytes.n > buf_room(b))
        return -ENOBUFS;
    to = buf_reserve(b, bytes.n, &room);
    if (!to)
        return -errno;
    memcpy(to, bytes.p, bytes.n);
    buf_commit(b, bytes.n);
    return 0;
}

int buf_append_rest(struct buf *b, const struct slice *parts, size_t n_parts, size_t skip) {
    for (size_t i = 0; i < n_parts; i++) {
        size_t done = MIN_OF(skip, parts[i].n);
        int r = buf_append(b, slice_from(parts[i], done));

        if (r < 0)
            return r;
        skip -= done;
    }
    return 0;
}

void buf_consume(struct buf *b, size_t n) {
    n = MIN_OF(n, buf_length(b));
    if (b->is_secret && n > 0)
        explicit_bzero(b->memory + b->start, n);
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}
