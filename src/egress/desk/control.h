/*
 * The supervisor's control socket: where `credfd lease` and `credfd runner status` ask. It lies where
 * control_place.h says and answers root and the supervisor's own user, as the kernel names them. It knows no lease:
 * what it tells and what it ends is its owner's. It never blocks the loop; whoever sends it something else than a
 * request is dropped. That a workload of the same user may ask too is no hole: it learns and ends what its user could
 * anyway.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "egress/control_codec.h"

struct control;

struct control_owner {
    /*
     * The lease with the smallest number above `after`, 0 for the first; also one that has ended while its command
     * still runs. False when there is none. The slices are valid until the owner is asked again.
     */
    bool (*next)(void *owner, uint32_t after, struct lease_info *ret);
    /* Ends the lease, as that process wishes. 0, also when it has ended already; -ENOENT; or -errno. */
    int (*revoke)(void *owner, uint32_t number, pid_t by, uid_t by_uid);
    /* May be NULL. Appends how the owner does, LIMIT_RUNNER_STATUS bytes at most, to an empty buffer. 0 or -errno. */
    int (*status)(void *owner, struct buf *to);
    void *owner;
};

/*
 * Listens, from the next turn of the loop on; `owner` is copied. NULL when it cannot: leases work without it, so
 * nothing more is to be done, and why was said in one line.
 */
struct control *control_start(const struct control_owner *owner);

/* Drops every client and removes the socket. NULL is fine. */
void control_stop(struct control *control);
