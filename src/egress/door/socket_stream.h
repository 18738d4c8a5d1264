/*
 * A lease's connection that has become a WebSocket, in the relay: bytes pass between the client's stream and the pair
 * to the keeper as they come, both ways, at most one piece each way waiting. Reads nothing out of them: frames are the
 * keeper's business. lease_stream.c begins one when its connection is `switched`.
 */
#pragma once

#include "egress/door/keeper_link.h"
#include "relay/connection.h"

struct socket_stream {
    struct stream client;
    struct keeper_link *link; /* borrowed */
    struct buf up, down;      /* what the keeper, and what the client, has not taken */
    bool has_client_ended;    /* nothing more comes from it */
    bool is_told;             /* the keeper knows that */
    bool has_keeper_ended;    /* nothing more comes from it: what is left is to see the client go */
    bool is_over;
    struct timer timer; /* the client takes nothing, or does not go */
    uint64_t write_timeout_ms;
    /* It is over: the client's stream is closed. From the loop. The owner frees it, and what it lent. */
    void (*closed)(struct socket_stream *s);
};

/*
 * From connection_owner.switched: moves the connection's client over, and what it has sent already, and has done with
 * the connection in every case. From here on the link wakes this. 0 or -errno: then the client's stream is closed, and
 * `closed` is not called.
 */
int socket_stream_begin(struct socket_stream *s, struct connection *connection, struct keeper_link *link,
                        uint64_t write_timeout_ms, void (*closed)(struct socket_stream *s));

/* Closes without calling `closed`. Harmless on one that is all zero. */
void socket_stream_done(struct socket_stream *s);
