/*
 * What a connection hands its exchanges to: the far half of the HTTP engine. In egress it is the keeper behind a
 * channel (egress/door/keeper_link.h); inside the keeper, and in ingress, it is an HTTP connection to a server
 * (relay/client.h). Both halves are moved by their owner's step function: nothing here calls back but `wake`.
 *
 * One exchange at a time: begin, then send until the request's end, and meanwhile receive until the response's end.
 */
#pragma once

#include <sys/types.h>

#include "wire/http_message.h"

/* A request, taken apart and checked. Slices are valid during the call that passes it. */
struct request_head {
    struct slice method, path, query;
    bool has_query;
    struct slice host; /* the authority that was asked for, as sent; empty where an HTTP/1.0 client gave none */
    bool is_upgrade;   /* to WebSocket, and its handshake is in order; Sec-WebSocket-* are among the fields */
    bool expects_continue;
    const struct http_field *fields; /* end to end ones only; no Host, no framing */
    size_t n_fields;
    struct http_framing body; /* NONE, LENGTH or CHUNKED */
};

struct response_head {
    unsigned status;
    const struct http_field *fields; /* end to end ones only; no framing */
    size_t n_fields;
    struct http_framing body;     /* what follows: NONE, LENGTH, or CHUNKED for a length not known */
    struct http_framing declared; /* what its Content-Length says where no body follows (HEAD, 304) */
};

enum upstream_event_type {
    UPSTREAM_INTERIM,  /* a 1xx: `response` */
    UPSTREAM_RESPONSE, /* `response`, and the first of its body in `data` */
    UPSTREAM_DATA,     /* more of it */
    UPSTREAM_SWITCH,   /* `response` is a 101 that answers the upgrade rightly: from here on it is a tunnel */
    UPSTREAM_ABORT,    /* the exchange ends incomplete: `status` and `reason` for when no response has begun */
};

struct upstream_event {
    enum upstream_event_type type;
    struct response_head response;
    struct slice data;
    bool is_end; /* with RESPONSE and DATA: the response is complete */
    unsigned status;
    struct slice reason;
    bool is_gone; /* with ABORT: whoever served the exchange serves no other */
};

struct upstream;

struct upstream_ops {
    /* Takes the request and `data`, the first of its body (all of it with `is_end`). 0, -EAGAIN (later) or -errno. */
    int (*begin)(struct upstream *u, const struct request_head *request, struct slice data, bool is_end);

    /* More of the body: takes all of `data` or nothing. 0, -EAGAIN or -errno. */
    int (*send)(struct upstream *u, struct slice data, bool is_end);

    /* The next event, valid until the next call of anything here. 1, or -EAGAIN. Failure is an event too. */
    int (*receive)(struct upstream *u, struct upstream_event *ret);

    /* An exchange under way is given up by our side; the reason, a constant, belongs into the audit. */
    void (*abandon)(struct upstream *u, unsigned status, const char *reason);

    /* The exchange is complete, and what its last event showed has been passed on. May be NULL. */
    void (*finish)(struct upstream *u);
};

struct upstream {
    const struct upstream_ops *ops;
    /* Set by the user: something changed, step again. */
    void (*wake)(void *owner);
    void *owner;
};
