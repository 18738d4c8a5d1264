/*
 * The account of one exchange: what the keeper tells the supervisor of it, in one line, when it is over, however it
 * ended. Holds no query, no field and no byte of a body.
 */
#pragma once

#include "base/buf.h"
#include "egress/rule.h"
#include "relay/upstream.h"

struct account {
    char method[LIMIT_METHOD];
    size_t method_n;
    struct buf path;
    const struct rule *rule; /* that allowed it; NULL for `allow: all` */
    bool is_refused;         /* it never went upstream */
    unsigned status;         /* that the workload was told; 0 before it was told any */
    uint64_t began_ms, bytes_in, bytes_out;
};

void account_init(struct account *a);
void account_done(struct account *a);

/* 0, or -ENOMEM: then nothing has begun. */
int account_open(struct account *a, const struct request_head *request);

/* Tells the supervisor. `reason` is empty for an exchange that ended well. */
void account_close(struct account *a, uint64_t stream, const char *reason);

static inline struct slice account_method(const struct account *a) {
    return slice_of(a->method, a->method_n);
}
