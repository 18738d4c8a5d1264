/*
 * A control channel on the loop: one end of a SEQPACKET pair to another of our own processes, with the table of what
 * may arrive on it in which phase. Whatever is not permitted, or malformed, ends the channel.
 *
 * Sending never blocks the supervisor (what does not fit waits in a bounded queue); a role may wait instead.
 */
#pragma once

#include "ipc/permit.h"
#include "net/loop.h"

struct channel;

/* `reason` is 0 when the other end closed, -EPROTO for a message that was not permitted, else -errno. */
typedef void channel_closed(void *owner, int reason);

struct channel {
    struct watch watch;
    int fd;
    const struct ipc_permit *permits;
    size_t n_permits;
    unsigned phase; /* the owner's to change: one bit */
    void *owner;
    channel_closed *on_closed;
    void (*on_heard)(void *owner); /* the owner's to set: all that was there has been handled; NULL for nothing to do */
    bool may_wait;
    struct queued *queue, **queue_end; /* messages that did not fit yet */
    size_t queued, max_queued;         /* the latter the owner's to change, LIMIT_CHANNEL_QUEUE at first */
};

/* Takes `fd` over, even on failure. 0 or -errno. */
int channel_init(struct channel *c, int fd, const struct ipc_permit *permits, size_t n_permits, unsigned phase,
                 void *owner, channel_closed *on_closed);

/*
 * Says that no more will be sent, and drops what is queued; the other end sees its channel end, and its last words can
 * still be read.
 */
void channel_finish(struct channel *c);

/* Hears what is there already; may close it. For the last words of a process that has exited. */
void channel_drain(struct channel *c);

/* Closes and drops what is queued. Harmless when done already. Nothing is called afterwards. */
void channel_done(struct channel *c);

/* Sends what ipc_begin and ipc_put_ have put together; `fd` (or -EBADF) stays the caller's. 0 or -errno. */
int channel_send(struct channel *c, const struct ipc_writer *w, int fd);

static inline bool channel_is_open(const struct channel *c) {
    return c->on_closed != NULL;
}
