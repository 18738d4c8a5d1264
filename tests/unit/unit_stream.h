/*
 * For tests of what steps over a stream: its readiness is asked of the kernel when the test wants it, so that bytes can
 * come one at a time without a turn of the loop for each.
 */
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include "net/stream.h"
#include "unit_fd.h"

/* poll(2) and epoll(7) give the same numbers to the same things. */
static inline void stream_look(struct stream *s) {
    struct pollfd now = {.fd = s->fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    assert_true(poll(&now, 1, 0) >= 0);
    s->watch.ready |= (uint16_t)now.revents;
}

/* Writes all of it, which the socket has room for. */
static inline void say(int fd, struct slice bytes) {
    assert_int_equal(fd_write_all(fd, bytes.p, bytes.n), 0);
}

/* Reads what is there now into `to`, behind the `n` bytes that stand there, and ends it with a NUL. */
static inline size_t hear(int fd, char *to, size_t n, size_t size) {
    ssize_t got;

    while (n + 1 < size && (got = recv(fd, to + n, size - n - 1, MSG_DONTWAIT)) > 0)
        n += (size_t)got;
    to[n] = '\0';
    return n;
}
