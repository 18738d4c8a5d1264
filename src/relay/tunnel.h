/*
 * Two streams that have become one: bytes pass both ways untouched, as they come, for as long as both sides like. Holds
 * no buffer while nothing is on the way. Follows WebSocket frames by their headers alone, so that it can tell who closed
 * and why, and can say goodbye between two frames. Used by the dispatcher, and by any door that lets a WebSocket through.
 */
#pragma once

#include "base/slice.h"
#include "net/stream.h"

struct tunnel;

enum tunnel_side { TUNNEL_SIDE_CLIENT, TUNNEL_SIDE_UPSTREAM };

enum tunnel_cause {
    TUNNEL_CAUSE_CLOSED,  /* an orderly end: `side` was the first to close */
    TUNNEL_CAUSE_RESET,   /* `side` broke off */
    TUNNEL_CAUSE_TIMEOUT, /* `side` took nothing for too long */
    TUNNEL_CAUSE_ENDED,   /* tunnel_end: by us */
};

struct tunnel_report {
    enum tunnel_cause cause;
    enum tunnel_side side;
    unsigned close_code; /* of the first WebSocket close frame, 1005 for one without a code; 0: none was seen */
    uint64_t bytes_up, bytes_down; /* from the client, to the client */
    uint64_t opened_ms;            /* loop_now_ms */
};

struct tunnel_owner {
    /* It is over, both streams are closed, the tunnel is gone after this returns. From the loop, or from tunnel_end. */
    void (*ended)(void *owner, const struct tunnel_report *report);
    uint64_t write_timeout_ms;
    uint64_t idle_timeout_ms; /* nothing moves, either way; 0: that may last for ever */
    bool is_opaque;           /* no WebSocket: nothing is read out of what passes, and nothing said into it */
};

/*
 * Takes both streams over even on failure, and copies the bytes that each side has already sent. `class` must live as
 * long as the tunnel. Does not call `ended` before it returns. 0 or -errno; then there is no tunnel.
 */
int tunnel_new(struct stream *client, struct slice from_client, struct stream *upstream, struct slice from_upstream,
               const struct tunnel_owner *class, void *owner, struct tunnel **ret);

/*
 * Ends it: with a close frame of `code` to both sides, each at the border of a frame, waiting TIMEOUT_TUNNEL_GOODBYE for
 * that and for the answers; `ended` is called later. With 0 at once: `ended` is called before it returns.
 */
void tunnel_end(struct tunnel *tunnel, unsigned code);
