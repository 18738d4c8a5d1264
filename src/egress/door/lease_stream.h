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
 * Serves `client`, of which `early` was read already (at most LIMIT_HEAD bytes; copied). Takes it over even on failure.
 * What happens at once is told from the loop. 0 or -errno: then `closed` is not called, and the supervisor is told that
 * the stream has ended.
 */
int lease_stream_serve(const struct lease_stream_plan *plan, struct stream *client, struct slice early,
                       struct lease_stream **ret);

/*
 * For a client who is only made once the keeper has accepted. `answered` is called once, with the `number` that its
 * owner knows it by, from the loop or before this returns; then lease_stream_attach or lease_stream_end is due. 0 or
 * -errno: nothing is called, and the supervisor is told that the stream has ended.
 */
int lease_stream_open(const struct lease_stream_plan *plan, uint32_t number,
                      void (*answered)(struct lease_stream *s, void *owner, uint32_t number, bool is_accepted));

/* `fd`, a stream socket, is its client: taken over even on failure. 0 or -errno: then lease_stream_end is due. */
int lease_stream_attach(struct lease_stream *s, int fd);

/* One that has no client: it goes, the supervisor is told, and `closed` is not called. */
void lease_stream_end(struct lease_stream *s);

/* A stream of the supervisor's that cannot be served: it is told that it has ended. */
void lease_stream_forgo(uint64_t id);
