/*
 * The keeper's side of the pair to a relay: typed frames both ways for one stream, of which at most one waits for the
 * relay to have room. The other side is egress/door/keeper_link.h.
 */
#pragma once

#include "base/buf.h"
#include "ipc/message.h"
#include "net/loop.h"
#include "relay/upstream.h"

struct relay_link {
    struct watch watch;
    int fd;
    struct buf held_back; /* a message that did not fit */
};

/*
 * Takes `fd` over even on failure, and says that the stream will be served. 0 or -errno; relay_link_done in every case.
 */
int relay_link_init(struct relay_link *link, int fd, void (*on_ready)(struct watch *watch));
void relay_link_done(struct relay_link *link);

/* 0, also when there is no room and the message is kept; -errno when the relay is gone, or one was kept already. */
int relay_link_tell(struct relay_link *link, const struct upstream_event *event);

/* The same, for what ends an exchange before its time: a message that was kept is dropped for it. */
int relay_link_interrupt(struct relay_link *link, const struct upstream_event *event);

/* Sends what was kept, when there may be room for it. 0 when nothing is kept, -EAGAIN, or -errno: the relay is gone. */
int relay_link_flush(struct relay_link *link);

static inline bool relay_link_is_clear(const struct relay_link *link) {
    return buf_is_empty(&link->held_back);
}

/* Whether the relay has closed: its last words may still be there. */
static inline bool relay_link_is_closing(const struct relay_link *link) {
    return (link->watch.ready & (EPOLLRDHUP | EPOLLHUP)) != 0;
}

/* 1 with a message, 0 when there is none now, -EPIPE at the end. */
int relay_link_receive(struct relay_link *link, struct ipc_message *ret);

/* The relay has said all that it may before it is told something: whatever comes is a new edge. */
static inline void relay_link_expect_nothing(struct relay_link *link) {
    watch_not_ready(&link->watch, EPOLLIN);
}
