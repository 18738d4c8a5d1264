/*
 * A person's requests on one connection, one after another, each on its way: whose it is, which instance that means,
 * whether there is a session there, a connection, the exchange. To the HTTP engine it is the upstream; to the instance
 * it is relay/client.h's owner. In steady state a request asks nobody and waits for nothing but the instance.
 *
 * Called by its guest (guest.h), which owns the connection to the browser's side. Its parts: visit_way.h.
 */
#pragma once

#include "ingress/front/front.h"
#include "ingress/visit/asking.h"
#include "ingress/visit/page.h"
#include "ingress/visit/place.h"
#include "ingress/visit/visitor.h"
#include "ingress/visit/world.h"
#include "relay/client.h"
#include "relay/connection.h"

enum visit_state {
    WAIT_NOTHING,  /* no exchange is under way */
    WAIT_NAME,     /* for the verifier */
    WAIT_SESSION,  /* for the pairer */
    WAIT_TABLE,    /* a moment, for a table that the pairer has already */
    WAIT_INSTANCE, /* for a connection to it */
    WAIT_START,    /* for the steward to say whether it can be started */
    WAIT_PAGE,     /* for the supervisor to write the status page */
    WAIT_RESPONSE, /* the request goes out on `client`, the response comes in */
    WAIT_TAKEN,    /* for the connection to take our own answer */
    WAIT_END,      /* it is answered; what is left of the request is thrown away */
    VISIT_STATES
};

/* What is known of a request for as long as it is under way; one piece of memory. */
struct visit_line {
    struct visit_line *next_spare; /* while it waits for the next request: visit_log.c */
    size_t size;                   /* of all of it, the texts behind it included */
    struct slice method, host, path, client;
};

struct visit {
    struct upstream upstream;
    const struct peer *peer;
    struct slice peer_text;
    struct exchange *exchange; /* of the connection: to say that it must close */
    struct question question;
    struct timer deadline;
    enum visit_state state;
    uint64_t active_ms; /* when the last request ended, or the connection came */

    /* from here on of one request: whom and what for */
    struct visit_line *line;
    struct visitor *visitor;
    struct place *place;
    struct kind *kind;
    enum page_form form; /* of a page, should there have to be one */

    /* the request: where it is now, and a copy of it while something is waited for */
    const struct request_head *request; /* NULL once it has been passed on, or answered */
    struct slice data;
    struct held_request *held;
    bool is_whole; /* the first of its body was all of it */
    bool is_ended; /* all of it has come */
    bool is_upgrade, is_head;
    bool is_idempotent; /* S 9.2.2 */

    /* on the way */
    struct pool_attempt *attempt;
    bool is_navigation, has_cookie;
    bool wants_pair; /* the instance is reached only to see that it can be paired with */
    bool was_stale, was_woken;
    int connect_error;

    /* the exchange */
    struct client *client;
    struct http_framing framing; /* of the request */
    struct buf again;            /* what was sent on a warm connection, while it may have to be sent on another */
    char key[WEBSOCKET_KEY_LENGTH];
    bool is_warm;
    bool has_response;  /* its head has come */
    bool is_upload_off; /* the instance takes no more of the request */
    bool is_probe;
    const char *cut; /* the response ends here, for this reason; a constant */
    struct reply *reply;
    struct addition *addition;

    /* for the log */
    unsigned status;
    const char *reason;
    struct slice field; /* the name of the one that a refusal is for */
    uint64_t bytes_in, bytes_out, began_us, sent_us, upstream_us;
    uint64_t ended_us; /* the response, where that is known already */
};

/* `peer`, `peer_text` and `exchange` live as long as it does. */
void visit_init(struct visit *v, const struct peer *peer, struct slice peer_text, struct exchange *exchange);

/* Gives up whatever is under way. */
void visit_done(struct visit *v);

static inline bool visit_is_idle(const struct visit *v) {
    return v->state == WAIT_NOTHING;
}

/*
 * The connection refuses a request before it has handed it over, or one that breaks off: words for its sender, valid
 * until the next call. 0 or -errno.
 */
int visit_explain(struct visit *v, const struct refusal *refusal, struct exchange_words *ret);

/* The connection has become a tunnel, or a probe: its stream, and what stands in its buffer, go there. */
void visit_switch(struct visit *v, struct connection *c);

/*
 * What becomes of a request that is ended from here: one that has no answer yet is answered, and the connection is to be
 * stepped; of one that has, the rest is cut, and the connection is to be closed.
 */
enum visit_ending { VISIT_GOES_ON, VISIT_ANSWERED, VISIT_CUT };

/* There is a new table: ends what is under way when that leads elsewhere now. */
enum visit_ending visit_table(struct visit *v);

/* Ends what is under way, at a drain's deadline. */
enum visit_ending visit_stop(struct visit *v);
