#include "proc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"

#define CHANNEL_TURN 64 /* messages handled before others get their turn */
#define CHANNEL_DRAIN_TURNS 64

struct queued {
    struct queued *next;
    int fd;
    size_t n;
    char bytes[];
};

static void close_with(struct channel *c, int reason) {
    channel_closed *on_closed = c->on_closed;
    void *owner = c->owner;

    channel_done(c);
    on_closed(owner, reason);
}

static void take_first(struct channel *c) {
    struct queued *first = c->queue;

    c->queue = first->next;
    if (!c->queue)
        c->queue_end = &c->queue;
    c->queued--;
    fd_close(&first->fd);
    free(first);
}

static void drop_queue(struct channel *c) {
    while (c->queue)
        take_first(c);
}

static int send_queued(struct channel *c) {
    while (c->queue) {
        struct queued *first = c->queue;
        struct ipc_writer w = ipc_begin((enum ipc_type)first->bytes[0]);
        int r;

        ipc_put_raw(&w, slice_of(first->bytes + 1, first->n - 1));
        r = ipc_send(c->fd, &w, first->fd);
        if (r < 0)
            return r;
        take_first(c);
    }
    return 0;
}

static int enqueue(struct channel *c, const struct ipc_writer *w, int fd) {
    struct slice bytes = ipc_writer_bytes(w);
    struct queued *q;

    if (c->queued >= c->max_queued)
        return -ENOBUFS;
    q = malloc(sizeof(*q) + bytes.n);
    if (!q)
        return -ENOMEM;
    *q = (struct queued){.fd = -EBADF, .n = bytes.n};
    memcpy(q->bytes, bytes.p, bytes.n);
    if (fd >= 0) {
        q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (q->fd < 0) {
            free(q);
            return -errno;
        }
    }
    *c->queue_end = q;
    c->queue_end = &q->next;
    c->queued++;
    watch_not_ready(&c->watch, EPOLLOUT);
    return 0;
}

int channel_send(struct channel *c, const struct ipc_writer *w, int fd) {
    int r;

    if (!channel_is_open(c))
        return -EPIPE;
    if (c->queue)
        return enqueue(c, w, fd);
    while ((r = ipc_send(c->fd, w, fd)) == -EAGAIN && c->may_wait) {
        struct pollfd writable = {.fd = c->fd, .events = POLLOUT};

        if (poll(&writable, 1, -1) < 0 && errno != EINTR)
            return -errno;
    }
    return r == -EAGAIN ? enqueue(c, w, fd) : r;
}

/* Hears a turn's worth of messages: 0 when there may be more, -EAGAIN when not, -EPIPE at the end, or -errno. */
static int receive_turn(struct channel *c) {
    for (unsigned i = 0; i < CHANNEL_TURN; i++) {
        struct ipc_message m;
        int r = ipc_receive(c->fd, &m);

        if (r == -EAGAIN)
            return r;
        if (r == -ECONNRESET)
            continue; /* it ended with words of ours unread: the kernel says so once, ahead of its own last words */
        if (r == 1)
            r = ipc_dispatch(c->permits, c->n_permits, c->phase, c->owner, &m);
        else if (r == 0)
            r = -EPIPE;
        if (!channel_is_open(c))
            return -EAGAIN; /* its handler closed it */
        if (r < 0 && !(r == -EPROTO && WEAKENED(PERMIT)))
            return r;
    }
    return 0;
}

/* Whether there may be more. */
static bool hear(struct channel *c) {
    int r = receive_turn(c);

    if (c->on_heard)
        c->on_heard(c->owner);
    if (r < 0 && r != -EAGAIN && channel_is_open(c))
        close_with(c, r == -EPIPE ? 0 : r);
    return r == 0 && channel_is_open(c);
}

static void channel_step(struct watch *watch) {
    struct channel *c = container_of(watch, struct channel, watch);
    int r = c->queue && (watch->ready & EPOLLOUT) ? send_queued(c) : 0;

    if (r == -EAGAIN) {
        watch_not_ready(watch, EPOLLOUT);
    } else if (ipc_is_gone(r)) {
        drop_queue(c); /* nobody hears it; what was said before that end is still to be heard */
    } else if (r < 0) {
        close_with(c, r);
        return;
    }
    if (hear(c))
        watch_again(watch);
}

int channel_init(struct channel *c, int fd, const struct ipc_permit *permits, size_t n_permits, unsigned phase,
                 void *owner, channel_closed *on_closed) {
    int r;

    *c = (struct channel){
        .fd = fd, .permits = permits, .n_permits = n_permits, .phase = phase, .owner = owner, .on_closed = on_closed};
    c->queue_end = &c->queue;
    c->max_queued = LIMIT_CHANNEL_QUEUE;
    r = watch_add(&c->watch, fd, channel_step);
    if (r < 0)
        channel_done(c);
    return r;
}

void channel_finish(struct channel *c) {
    if (!channel_is_open(c))
        return;
    drop_queue(c); /* it could no longer be sent, and that failure would end our hearing */
    (void)shutdown(c->fd, SHUT_WR);
}

void channel_drain(struct channel *c) {
    /* bounded: what it left behind fits into the socket; whoever goes on writing is not it */
    for (unsigned turn = 0; turn < CHANNEL_DRAIN_TURNS && channel_is_open(c) && hear(c); turn++) {
    }
}

void channel_done(struct channel *c) {
    if (!channel_is_open(c))
        return;
    watch_remove(&c->watch);
    fd_close(&c->fd);
    drop_queue(c);
    c->on_closed = NULL;
}
