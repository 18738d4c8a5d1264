/*
 * A connected byte stream on the loop: a socket, with or without TLS (net/tls.h). Reads and writes never block.
 * The stream owns its descriptor. What is done with the bytes is its owner's one step function, `on_ready`.
 */
#pragma once

#include <sys/types.h>

#include "base/slice.h"
#include "net/loop.h"

struct stream;

struct stream_ops {
    ssize_t (*read)(struct stream *s, void *to, size_t size);
    ssize_t (*write)(struct stream *s, const struct slice *parts, size_t n);
    void (*shut_write)(struct stream *s);
    void (*rest)(struct stream *s);
    void (*done)(struct stream *s);
};

struct stream {
    struct watch watch;
    int fd;
    bool holds_input; /* the layer above the socket has taken more out of it than was read here */
    const struct stream_ops *ops;
    struct tls_session *tls; /* net/tls.c's, for a stream with TLS */
};

/* A plain stream over `fd` (a stream socket, non-blocking), which is taken over even on failure. 0 or -errno. */
int stream_init(struct stream *s, int fd, void (*on_ready)(struct watch *watch));

/*
 * Moves a stream to another place and another step function: `from` becomes empty. The kernel reports its present
 * state anew. 0 or -errno; then the stream is closed.
 */
int stream_move(struct stream *from, struct stream *to, void (*on_ready)(struct watch *watch));

/* Closes. Harmless on a stream that is all zero or done. */
void stream_done(struct stream *s);

/* Closes so that the other side sees it broken off, and not ended. Without effect on a unix socket but the closing. */
void stream_break_off(struct stream *s);

/* Bytes read; 0 at the end of the stream; -EAGAIN (the watch is then no longer ready to read) or -errno. */
static inline ssize_t stream_read(struct stream *s, void *to, size_t size) {
    return s->ops->read(s, to, size);
}

#define STREAM_PARTS 4

/*
 * Bytes taken of at most STREAM_PARTS parts together (may be fewer); -EAGAIN (no longer ready to write) or -errno. No
 * SIGPIPE.
 */
static inline ssize_t stream_write(struct stream *s, const struct slice *parts, size_t n) {
    return s->ops->write(s, parts, n);
}

/* No more will be written; with TLS a close_notify goes out. Reading goes on. */
static inline void stream_shut_write(struct stream *s) {
    s->ops->shut_write(s);
}

/* Nobody will read or write for a while: memory that it needs only then is given back, and comes again by itself. */
static inline void stream_rest(struct stream *s) {
    s->ops->rest(s);
}

static inline bool stream_is_ready(const struct stream *s, uint32_t events) {
    return (s->watch.ready & events) != 0 || (s->holds_input && (events & EPOLLIN));
}

/* For such a layer: the socket itself, as stream_read of a stream without one. */
ssize_t stream_read_socket(struct stream *s, void *to, size_t size);
