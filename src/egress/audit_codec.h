/*
 * What the keeper tells the supervisor of one exchange when it is over. Who asked, for which lease, and when, the
 * supervisor knows itself: nothing here can name another lease.
 */
#pragma once

#include "egress/rule.h"
#include "ipc/message.h"

struct exchange_record {
    struct slice method, path; /* as sent; the query is not told */
    struct slice rule;         /* the one that allowed it, "all", or empty */
    struct slice reason;       /* of a refusal or a failure; empty otherwise */
    unsigned status;           /* that the workload saw; 0 for none */
    uint64_t bytes_in;         /* of the request's content */
    uint64_t bytes_out;        /* of the response's */
    uint64_t duration_ms;
    uint32_t masked;
};

struct ipc_writer record_encode(uint64_t stream, const struct exchange_record *record);

/* 0 or -EPROTO. Slices look into the message. */
int record_decode(struct ipc_message *m, uint64_t *ret_stream, struct exchange_record *ret);
