/*
 * What the keeper tells the supervisor of one exchange when it is over. Who asked, for which lease, and when, the
 * supervisor knows itself: nothing here can name another lease.
 */
#pragma once

#include "egress/refusal.h"
#include "egress/rules/rule.h"
#include "ipc/message.h"

/* How the exchange got its connection to the upstream. */
enum connection_use {
    CONNECTION_NONE,    /* it got none */
    CONNECTION_REUSED,  /* a warm one */
    CONNECTION_NEW,     /* a new one: with TLS, a full handshake */
    CONNECTION_RESUMED, /* a new one that resumed a TLS session */
    CONNECTION_USES
};

struct exchange_record {
    struct slice method, path; /* as sent; the query is not told */
    struct slice rule;         /* the one that allowed or denied it, "all", a limit's name, or empty */
    struct slice reason;       /* of a refusal or a failure; empty otherwise */
    unsigned status;           /* that the workload saw; 0 for none */
    uint64_t bytes_in;         /* of the request's content */
    uint64_t bytes_out;        /* of the response's */
    uint64_t duration_ms;
    uint32_t masked;      /* places where the secret was overwritten in the response */
    bool is_admitted;     /* it was let go upstream */
    enum refusal refusal; /* why it failed on our side; REFUSAL_NONE for what the upstream answered in full */
    enum connection_use connection;
};

struct ipc_writer record_encode(uint64_t stream, const struct exchange_record *record);

/* 0 or -EPROTO. Slices look into the message. */
int record_decode(struct ipc_message *m, uint64_t *ret_stream, struct exchange_record *ret);
