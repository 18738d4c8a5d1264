/*
 * A socket on which the relay accepts: for a lease's base_url, or for the proxy. Takes at most LIMIT_CALLERS at once
 * from all of them together; more wait in the kernel. Knows who connected as far as the kernel tells a socket's other
 * end. Part of the relay.
 */
#pragma once

#include "egress/door/call.h"
#include "egress/door/door.h"
#include "net/loop.h"

struct listener {
    struct watch watch;
    int fd;
    enum door_kind kind;
    /* `fd`, a stream socket, and caller->pidfd are the callee's. It owes one listener_left when that client is gone. */
    void (*on_client)(struct listener *listener, int fd, const struct caller *caller);
    void *owner;
    struct listener *next;
    bool has_waiting; /* somebody may wait there to be accepted */
};

/* Takes `fd` over, even on failure. 0 or -errno. */
int listener_init(struct listener *listener, int fd, enum door_kind kind,
                  void (*on_client)(struct listener *listener, int fd, const struct caller *caller), void *owner);
void listener_done(struct listener *listener);

/* A client is gone: others may come. */
void listener_left(void);
