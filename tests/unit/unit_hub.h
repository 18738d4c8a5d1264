/*
 * For tests of the link: a hub at the other end of a socket, which writes frames and reads ours.
 */
#pragma once

#include <sys/socket.h>

#include "unit_fd.h"
#include "unit_loop.h"

/* What has come of ours, its masks taken off. */
static struct {
    int fd;
    struct watch watch;
    unsigned char in[1 << 20];
    size_t n;
    bool has_ended;
} hub_peer = {.fd = -EBADF};

static inline void hub_hear(struct watch *watch) {
    while (hub_peer.n < sizeof(hub_peer.in)) {
        ssize_t n = recv(hub_peer.fd, hub_peer.in + hub_peer.n, sizeof(hub_peer.in) - hub_peer.n, MSG_DONTWAIT);

        if (n <= 0) {
            hub_peer.has_ended |= n == 0 || errno != EAGAIN;
            break;
        }
        hub_peer.n += (size_t)n;
    }
    watch_not_ready(watch, EPOLLIN);
}

static inline void hub_take(int fd) {
    hub_peer.fd = fd;
    hub_peer.n = 0;
    hub_peer.has_ended = false;
    assert_int_equal(watch_add(&hub_peer.watch, fd, hub_hear), 0);
}

static inline void hub_drop(void) {
    watch_remove(&hub_peer.watch);
    fd_close(&hub_peer.fd);
}

static inline void hub_write(struct slice bytes) {
    assert_int_equal(send(hub_peer.fd, bytes.p, bytes.n, MSG_NOSIGNAL), bytes.n);
}

/* One frame, as a server sends it. `first` is its first byte. */
static inline void hub_frame(unsigned char first, struct slice payload) {
    unsigned char head[4] = {first, (unsigned char)payload.n};
    size_t n = 2;

    assert_true(payload.n < 65536);
    if (payload.n > 125) {
        head[1] = 126;
        head[2] = (unsigned char)(payload.n >> 8);
        head[3] = (unsigned char)payload.n;
        n = 4;
    }
    hub_write(slice_of(head, n));
    if (payload.n > 0)
        hub_write(payload);
}

static inline void hub_text(const char *text) {
    hub_frame(0x81, slice_of_string(text));
}

struct hub_heard {
    unsigned opcode;
    struct slice payload; /* valid until the next */
};

/* Takes our next frame off the front of what has come. False when it is not whole yet. */
static inline bool hub_next(struct hub_heard *ret) {
    static char payload[1 << 20];
    const unsigned char *in = hub_peer.in;
    size_t length, head = 2;

    hub_hear(&hub_peer.watch); /* what there was no room for */
    if (hub_peer.n < 2)
        return false;
    assert_int_equal(in[0] & 0xf0, 0x80);
    assert_true(in[1] & 0x80);
    length = in[1] & 0x7f;
    for (size_t left = length == 127 ? 8 : length == 126 ? 2 : 0, i = 0; i < left; i++) {
        length = (i == 0 ? 0 : length << 8) | in[head++];
    }
    if (hub_peer.n < head + 4 + length)
        return false;
    assert_true(length <= sizeof(payload));
    for (size_t i = 0; i < length; i++)
        payload[i] = (char)(in[head + 4 + i] ^ in[head + i % 4]);
    *ret = (struct hub_heard){.opcode = in[0] & 0xf, .payload = slice_of(payload, length)};
    hub_peer.n -= head + 4 + length;
    memmove(hub_peer.in, hub_peer.in + head + 4 + length, hub_peer.n);
    return true;
}

static inline bool hub_has_frame(const void *ret) {
    union {
        const void *given;
        struct hub_heard *to;
    } heard = {.given = ret};

    return hub_next(heard.to);
}

/* Waits for it. */
static inline struct hub_heard hub_await(unsigned opcode) {
    struct hub_heard heard = {0};

    loop_until(hub_has_frame, &heard);
    assert_int_equal(heard.opcode, opcode);
    return heard;
}

/* Whether a text of ours holds that. */
static inline bool hub_says(struct hub_heard heard, const char *words) {
    return memmem(heard.payload.p, heard.payload.n, words, strlen(words)) != NULL;
}

static inline bool hub_has_ended(const void *unused) {
    (void)unused;
    return hub_peer.has_ended;
}
