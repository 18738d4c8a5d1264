/*
 * Every way in which a request fails on our side, in one table: what the workload is told, what stands in the audit,
 * and what the metrics count it under. Pure data; the keeper chooses, the supervisor and the tests look up.
 */
#pragma once

#include "base/slice.h"

enum refusal {
    REFUSAL_NONE, /* it went through */

    /* the rules */
    REFUSAL_NO_RULE,
    REFUSAL_DENIED,
    REFUSAL_AMBIGUOUS,
    REFUSAL_EXECUTABLE,
    /* the limits */
    REFUSAL_REQUESTS,
    REFUSAL_BYTES,
    REFUSAL_RATE,
    REFUSAL_CONCURRENT,
    REFUSAL_MAX_BODY,
    /* the end of the lease */
    REFUSAL_TTL,
    REFUSAL_REVOKED,
    REFUSAL_REMOVED,
    /* the request itself */
    REFUSAL_MALFORMED,
    REFUSAL_PLACE,
    REFUSAL_TOO_LARGE,
    /* us */
    REFUSAL_AUDIT,
    REFUSAL_SECRET,
    REFUSAL_NO_MEMORY,
    REFUSAL_KEEPER,
    /* the upstream */
    REFUSAL_UPSTREAM,
    REFUSAL_UPSTREAM_TIMEOUT,
    /* the doors */
    REFUSAL_HOST,         /* no lease and no rule of egress.allow is for that host */
    REFUSAL_ADDRESS,      /* it is a name for an address that no name may stand for */
    REFUSAL_EXFILTRATION, /* a lease's placeholder stands where it does not belong */
    REFUSAL_CALLER,       /* whoever connected is none of the command's processes */
    REFUSAL_NOT_TLS,      /* what went into a tunnel was no TLS for the host that was asked for */
    REFUSAL_GATE,         /* the gate has ended, and another one is about to be there */
    REFUSAL_WEBSOCKET,    /* the lease lets none through */
    REFUSAL_SCHEME,       /* a lease's host was asked for by http, and its upstream is https; or the other way round */
    REFUSAL_DISTRUSTED,   /* the client has left at the handshake: it does not trust our certificate, as it seems */
    REFUSALS
};

struct refusal_text {
    const char *name;   /* a word for the audit and the metrics; stable */
    unsigned status;    /* 0 where the cause says more than this table: then it is given beside it */
    const char *reason; /* for a person; NULL where it is given beside it */
    struct slice rule;  /* which setting it comes from; empty for none, or where the rule itself says so */
    struct slice hint;  /* what to do about it; empty for the status's own */
};

/* `refusal` is below REFUSALS. */
const struct refusal_text *refusal_text(enum refusal refusal);
