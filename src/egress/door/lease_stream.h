/*
 * One client's connection to one lease, in the relay: HTTP on the one side, the pair to the keeper on the other. Which
 * door it came through makes no difference from here on. Tells the supervisor what no keeper can tell.
 */
#pragma once

#include "net/stream.h"
#include "relay/connection.h"

struct lease_stream;

struct lease_stream_plan {
    uint64_t id;                        /* the supervisor's */
    int pair;                           /* to the keeper: taken over, even on failure; -EBADF while there is none */
    const struct exchange_rules *rules; /* borrowed for the stream's life, as the rest */
    const struct connection_timeouts *timeouts;
    /* The client's stream is closed, the lease_stream is gone after this returns, and the supervisor has been told. */
    void (*closed)(void *owner);
    void *owner;
};

/*
 * Serves `client`, of which `early` was read already. Takes it over even on failure. What happens at once is told from
 * the loop. 0 or -errno: then `closed` is not called, and the supervisor is told that the stream has ended.
 */
int lease_stream_serve(const struct lease_stream_plan *plan, struct stream *client, struct slice early,
                       struct lease_stream **ret);
