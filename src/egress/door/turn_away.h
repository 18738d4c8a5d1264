/*
 * Tells the supervisor of somebody who is refused at a door of this relay before there is a stream or a way that could
 * tell of him, or whose stream ends before it began: the audit has a line of him too. Encodes, sends, and knows nothing
 * else. Called by the doors where the relay listens.
 */
#pragma once

#include "egress/door/call.h"

#define TURN_AWAY_NO_DOOR UINT32_MAX

/* Why. (egress/refusal.h has more of them; but its name is another thing to relay/, whose users call here.) */
enum turn_away_why {
    AWAY_MALFORMED,
    AWAY_SCHEME,     /* a lease's host, by the other scheme than its upstream's */
    AWAY_BETRAYED,   /* a lease's placeholder stood where it does not belong */
    AWAY_BUSY,       /* no room, or no memory */
    AWAY_NOT_TLS,    /* no TLS for the host that was asked for */
    AWAY_DISTRUSTED, /* he does not like the certificate, as it seems */
};

struct turned_away {
    enum turn_away_why why;
    uint64_t stream; /* that he had been granted; 0: none */
    uint32_t door;   /* of the lease whose host he asked for, or TURN_AWAY_NO_DOOR */
    unsigned status; /* that he is told; 0: none */
    struct slice method, authority, path, reason;
};

void turn_away_tell(const struct caller *caller, const struct turned_away *what);

/* Which setting it comes from, and what to do about it; empty for none. */
struct slice turn_away_rule(enum turn_away_why why);
struct slice turn_away_hint(enum turn_away_why why);
