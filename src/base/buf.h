/*
 * A growable byte queue with a cap: bytes are appended at its end and consumed from its front. An empty one holds no
 * memory after buf_release. It grows by doubling, never beyond the cap given at buf_init, so no peer can size it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct buf {
    char *memory;
    size_t start, end; /* the queued bytes are memory[start..end) */
    size_t size;       /* allocated */
    size_t cap;        /* never allocate more */
    bool is_secret;    /* wiped whenever memory is given back or moved */
};

void buf_init(struct buf *b, size_t cap);

/* As buf_init, and every byte that ever stood in it is wiped before its memory is given back. */
void buf_init_secret(struct buf *b, size_t cap);

void buf_give_back(struct buf *b); /* of buf_release alone */

/* Gives all memory back; the buffer stays usable and empty. */
static inline void buf_release(struct buf *b) {
    if (b->memory)
        buf_give_back(b);
}

/* Memory that is kept for the next buffer is given back. */
void buf_rest(void);

static inline size_t buf_length(const struct buf *b) {
    return b->end - b->start;
}

static inline bool buf_is_empty(const struct buf *b) {
    return b->start == b->end;
}

static inline struct slice buf_slice(const struct buf *b) {
    return slice_of(b->memory ? b->memory + b->start : "", b->end - b->start);
}

/* How many bytes may still be appended before the cap. */
static inline size_t buf_room(const struct buf *b) {
    return b->cap - buf_length(b);
}

char *buf_make_room(struct buf *b, size_t want, size_t *ret_room); /* of buf_reserve alone */

/*
 * Room for `want` more bytes, or for what the cap leaves (at least one): returns where to write and, in `*ret_room`,
 * how much fits. NULL with errno ENOBUFS at the cap, ENOMEM without memory. Follow with buf_commit.
 */
static inline char *buf_reserve(struct buf *b, size_t want, size_t *ret_room) {
    size_t behind = b->size - b->end;

    if (behind < want || buf_room(b) < behind || behind == 0)
        return buf_make_room(b, want, ret_room);
    *ret_room = behind;
    return b->memory + b->end;
}

static inline void buf_commit(struct buf *b, size_t n) {
    b->end += n;
}

/* 0, -ENOBUFS (beyond the cap: nothing is appended) or -ENOMEM. */
int buf_append(struct buf *b, struct slice bytes);

/*
 * Appends what follows the first `skip` bytes of `parts`, taken as one run: what is left when some of it was written
 * elsewhere. As buf_append; on failure a part may have been appended.
 */
int buf_append_rest(struct buf *b, const struct slice *parts, size_t n_parts, size_t skip);

/* Drops the first `n` bytes (at most all). Wipes them in a secret buffer. */
void buf_consume(struct buf *b, size_t n);
