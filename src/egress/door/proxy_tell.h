/*
 * What the proxy tells the supervisor beside what every door does: of ways, and of streams that were granted and never
 * served. Encodes, sends, and knows nothing else.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* How it went. (egress/refusal.h has more of them; but its name is another thing to relay/, whose users call here.) */
enum proxy_outcome {
    PROXY_SERVED,
    PROXY_MALFORMED,
    PROXY_TOO_LARGE,
    PROXY_NO_MEMORY,
    PROXY_BROKEN,   /* the host broke the exchange */
    PROXY_LATE,     /* the host did not answer in time */
    PROXY_BETRAYED, /* a lease's placeholder stood in it */
    PROXY_NOT_TLS,
};

struct proxy_use {
    enum proxy_outcome outcome;
    unsigned status; /* that the client was told; 0: none */
    uint64_t bytes_in, bytes_out;
    struct slice method, path, reason;
};

/* Which setting an outcome comes from, and what to do about it; empty for none. */
struct slice proxy_outcome_rule(enum proxy_outcome outcome);
struct slice proxy_outcome_hint(enum proxy_outcome outcome);

/* An exchange, or all of a tunnel, is over. */
void proxy_tell_used(uint64_t way, const struct proxy_use *use);

/* No more will be said of the way. */
void proxy_tell_closed(uint64_t way);

/* A lease's stream ends before it began. Why, where that matters, was told before (turn_away.h). */
void proxy_tell_unserved(uint64_t stream);
