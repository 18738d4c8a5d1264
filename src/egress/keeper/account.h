/*
 * The account of one exchange: what the keeper tells the supervisor of it, in one line, when it is over, however it
 * ended. Holds no query, no field and no byte of a body.
 */
#pragma once

#include "base/buf.h"
#include "egress/audit/audit_codec.h"
#include "relay/upstream.h"

struct account {
    bool is_open;
    char method[LIMIT_METHOD];
    size_t method_n;
    struct buf path;
    bool is_admitted;        /* it was let go upstream */
    const struct rule *rule; /* that allowed or denied it; NULL for `allow: all`, and where none decided */
    enum refusal refusal;    /* why it failed on our side */
    unsigned status;         /* that the workload was told; 0 before it was told any */
    enum connection_use connection;
    uint64_t began_ms, bytes_in, bytes_out;
    uint64_t masked;
};

void account_init(struct account *a);
void account_done(struct account *a);

/* 0, or -ENOMEM: then nothing has begun. */
int account_open(struct account *a, const struct request_head *request);

/*
 * What decided: a limit, or the place in the configuration, where that refused; else the rule, "all" for `allow: all`,
 * or nothing. Valid as long as `text` and the definition of the credential.
 */
struct slice account_rule(const struct account *a, char text[static RULE_TEXT_MAX]);

/*
 * What to do about a request that no rule allows: the line to add, where its path is short and stands for itself alone
 * in a rule, else `usual`. Valid as long as `text`.
 */
struct slice account_mend(const struct account *a, struct slice usual, char text[static LIMIT_REASON]);

/* Tells the supervisor, once for each account_open. `reason` is empty for an exchange that ended well. */
void account_close(struct account *a, uint64_t stream, const char *reason);

static inline struct slice account_method(const struct account *a) {
    return slice_of(a->method, a->method_n);
}
