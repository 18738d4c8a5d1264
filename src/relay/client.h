/*
 * One connection to an upstream, HTTP/1.1's client half: writes requests whose heads its owner has serialised, parses
 * the responses strictly, and knows when it is clean enough to be used again, or has become a WebSocket. Opens nothing:
 * it gets a connected stream, with TLS or without.
 */
#pragma once

#include "base/buf.h"
#include "net/stream.h"
#include "relay/upstream.h"
#include "wire/http_body.h"
#include "wire/websocket.h"

enum client_state {
    CLIENT_IDLE,      /* between exchanges */
    CLIENT_WAIT_HEAD, /* a request has begun to leave; no final response head has come */
    CLIENT_WAIT_BODY,
    CLIENT_WAIT_SEND, /* the response is complete, the request is not */
    CLIENT_SPENT,     /* must not be used again */
};

struct client {
    struct stream stream;
    enum client_state state;
    struct buf in;  /* received */
    struct buf out; /* of the request, not yet taken; it holds a secret */
    struct http_head_scan scan;
    struct http_response *response; /* of the event delivered last; NULL before the first exchange, and asleep */
    struct http_body body;
    struct http_framing request; /* how the request's body goes out */
    struct slice method;         /* "HEAD" or not; a constant */
    uint64_t sent;               /* bytes of this request that left */
    size_t delivered;            /* bytes at the front of `in` that the last event showed */
    unsigned interims;
    bool is_request_complete;
    bool is_answered; /* something of the response has come */
    bool must_close;
    bool expects_switch;
    char accept[WEBSOCKET_ACCEPT_LENGTH]; /* that a 101 must show */
    bool has_ended;                       /* nothing more will come, because of `end`: 0, or -errno */
    ssize_t end;
    const char *fault; /* why the upstream broke the exchange; a constant */
    void *owner;       /* on_ready's, for whoever has the connection now */
};

/* Takes over a stream that is connected (and whose handshake is done), even on failure. 0 or -errno. */
int client_init(struct client *c, struct stream *stream, void (*on_ready)(struct watch *watch));
void client_done(struct client *c);

/* Whose it is from now on, and who steps it. */
static inline void client_attach(struct client *c, void *owner, void (*on_ready)(struct watch *watch)) {
    c->owner = owner;
    c->stream.watch.on_ready = on_ready;
}

/*
 * Begins an exchange with `request`, a head and perhaps the first of a body, framed already; `framing` is how the rest
 * is to be framed. 0, -ENOMEM, or -errno of the connection (`sent` tells whether anything left).
 */
int client_begin(struct client *c, struct slice request, bool is_head, struct http_framing framing, bool is_end);

/*
 * The exchange that has just begun asks to become a WebSocket with `key` (Sec-WebSocket-Key's value): a 101 that answers
 * it is told as UPSTREAM_SWITCH, a wrong one as an ABORT with 502. Without this every 101 is wrong.
 */
void client_expect_switch(struct client *c, struct slice key);

/*
 * What the upstream has said behind its 101. After UPSTREAM_SWITCH the owner gives `stream` and this to tunnel_new, which
 * takes both, and then calls client_done; the client cannot be used for anything else.
 */
struct slice client_early(const struct client *c);

/* More of the body, framed here: takes all or nothing. 0, -EAGAIN, -ENOMEM, -errno. */
int client_send(struct client *c, struct slice data, bool is_end);

/* Writes what is left over. 0 when all is written, -EAGAIN, or -errno. */
int client_flush(struct client *c);

/*
 * The next event, as UPSTREAM_ says; an ABORT has status 502 and says why. 1 or -EAGAIN. Slices are valid until the
 * next call.
 */
int client_receive(struct client *c, struct upstream_event *ret);

static inline bool client_is_exchange_over(const struct client *c) {
    return c->state == CLIENT_IDLE || c->state == CLIENT_SPENT;
}

/* The exchange has ended, nothing is left over, and both sides mean to go on. */
static inline bool client_is_reusable(const struct client *c) {
    return c->state == CLIENT_IDLE && !c->must_close;
}

/* Between exchanges it needs no memory: gives it back. What the last event showed is gone. */
void client_rest(struct client *c);

/* Nobody needs it soon: what only an exchange needs is given back too, until the next one begins. */
void client_sleep(struct client *c);

/* While it is idle: whether the other side has closed, or says something unasked. Session tickets are taken in. */
bool client_is_stale(struct client *c);
