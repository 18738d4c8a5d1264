/*
 * One client's connection: an ordinary HTTP/1.1 server's half, strict (wire/), one exchange after another, each handed
 * to the upstream. Streams bodies both ways with bounded memory; holds no buffer while it is idle. Opens nothing and
 * connects to nothing: it has the client's stream and an upstream, both made by its door.
 */
#pragma once

#include "net/stream.h"
#include "relay/exchange.h"
#include "relay/refusal.h"

struct connection_timeouts {
    uint64_t head_ms, idle_ms, body_ms, write_ms;
};

struct connection;

struct connection_owner {
    const struct exchange_rules *rules;
    const struct connection_timeouts *timeouts;
    /*
     * Where `explain` is not set: a request was refused before it reached the upstream, or was lost with it. `status` is
     * what the client is told, or has been told already.
     */
    void (*refused)(struct connection *c, unsigned status, struct slice reason);
    /*
     * In its place, where it is set: an owner who has words of his own for the client, valid until the next call. When
     * the client has been told something already they are not sent. 0 or -errno: then the connection is cut.
     */
    int (*explain)(struct connection *c, const struct refusal *refusal, struct exchange_words *ret);
    /*
     * The connection is over: its client stream is closed. The owner frees it and its upstream. Called from the loop.
     */
    void (*closed)(struct connection *c);
    /*
     * A 101 has gone to the client, all of it: from here on the connection is a tunnel. The owner moves `client` and what
     * stands in `in` to it (relay/tunnel.h), then calls connection_done and frees; `closed` is not called. Called from
     * the loop. NULL where no door upgrades.
     */
    void (*switched)(struct connection *c);
};

enum connection_state {
    WAIT_REQUEST,  /* nothing, or a part, of a head has come */
    WAIT_EXCHANGE, /* the rest of the request's body, or of the response */
    WAIT_SWITCH,   /* for the client to take the 101 */
    WAIT_FLUSH,    /* for the client to take the last answer; then no more is written */
    WAIT_CLOSE,    /* for the client to close, so that it could read that answer (§9.6) */
    SWITCHED,      /* it has: the rest is a tunnel's */
    CLOSED,
};

struct connection {
    struct stream client;
    struct upstream *upstream;
    const struct connection_owner *owner;
    enum connection_state state;
    struct buf in;  /* received, not yet passed on */
    struct buf out; /* for the client, not yet taken */
    struct http_head_scan scan;
    struct exchange exchange;
    size_t content; /* decoded content at the front of `in`, to be sent on */
    size_t spent;   /* framing behind it, to be dropped with it */
    size_t drained;
    bool is_client_done; /* it has shut its writing side */
    struct timer read_timer, write_timer;
};

/* Takes `fd` (a stream socket) over even on failure, and borrows the rest. 0 or -errno. */
int connection_init(struct connection *c, int fd, struct upstream *upstream, const struct connection_owner *owner);

/*
 * The same over a stream that its door has begun to read already (its handshake is done): `early`, at most LIMIT_HEAD
 * bytes, is what has come. Takes the stream over even on failure. What is there is looked at from the loop.
 */
int connection_init_stream(struct connection *c, struct stream *client, struct slice early, struct upstream *upstream,
                           const struct connection_owner *owner);

/* Closes without a word and without calling `closed`. */
void connection_done(struct connection *c);

/* Something happened on the upstream's side: goes on. May call `closed`. */
void connection_step(struct connection *c);
