/*
 * What can be told of a request that goes no further: its method, path and Host, the field that is at fault, the fields
 * that came before. For words to its sender and for the log; nothing is ever forwarded or decided by it, since the
 * strict parser has said no. Pure. Called by relay/connection.c, read by whoever owns the connection.
 */
#pragma once

#include "relay/exchange.h"

struct refusal {
    unsigned status;
    const char *reason;      /* a few plain words, a constant */
    struct slice rule;       /* the setting that it comes from; empty for none */
    char hint[LIMIT_REASON]; /* what to do about it; empty for what fits the status */
    struct slice
        field; /* the name of the one at fault, as it was sent, LIMIT_FIELD_SHOWN of it; empty: none is known */
    struct slice method, path, host; /* as far as they were read; empty otherwise. The path is without its query */
    struct http_fields fields;       /* those before the fault, and behind it where it is none of grammar */
};

/*
 * `bytes` are what has come of the message, from its first byte on; empty when its head has gone on already. The slices
 * look into them.
 */
void refusal_read(struct slice bytes, enum http_fault fault, const struct exchange_rules *rules, struct refusal *ret);
