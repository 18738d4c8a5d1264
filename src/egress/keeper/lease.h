/*
 * A lease in the keeper: one identity's right to use one credential, with what it may spend and when it ends. Each
 * request is admitted here or told why not; when the lease ends, its running exchanges are cut.
 */
#pragma once

#include "egress/keeper/budget.h"
#include "egress/keeper/held.h"
#include "egress/keeper/origin.h"
#include "egress/placeholder/placeholder_use.h"
#include "relay/upstream.h"

struct lease;

/* A stream on the lease's list, to be told of its end. */
struct lease_member {
    struct lease *lease;
    struct lease_member *next, **at;
    /* Its exchange is over; and, when the lease is_dropped, so is the stream: it leaves. */
    void (*cut)(struct lease_member *member, enum refusal why);
};

struct lease {
    struct lease *next;            /* of the same identity: lease_table.h */
    uint32_t credential, identity; /* the supervisor's numbers */
    struct held *held;             /* its reference */
    char *placeholder;             /* that a request may carry in the key's place; NULL for none */
    struct canary *canary;         /* of all leases of the same identity: its reference, or NULL */
    struct origin *origin;
    struct budget budget;
    enum refusal ended; /* REFUSAL_NONE while it lives */
    uint64_t ends_at;   /* base/clock.h; 0: when it is told to */
    struct timer timer; /* the end of its time; and, once it has ended, the cutting */
    struct lease_member *members;
    uint64_t claimed; /* bytes that the supervisor counts as spent already, should this process die */
    const bool *is_audit_blocked;
    void (*on_ended)(struct lease *lease);
    void (*on_claimed)(struct lease *lease); /* before they are spent */
    bool is_dropped;
};

/* What became of a request. */
struct verdict {
    enum refusal refusal;
    unsigned status;         /* 0: what refusal_text says */
    const char *reason;      /* NULL: likewise */
    const char *hint;        /* NULL: likewise */
    const struct rule *rule; /* that allowed or denied it; NULL for `allow: all` */
    uint64_t retry_after_s;  /* 0 for none */
};

/* After its numbers and pointers were set. */
void lease_init(struct lease *lease);

/* How long it lives from now on; 0 for a lease without an end of its own. */
void lease_set_life(struct lease *lease, uint64_t ttl_left_ms);

/*
 * Nobody holds it any more. It is freed, with its connections: now, or when those of its streams are ended that are
 * still there, from the loop.
 */
void lease_drop(struct lease *lease);

void lease_join(struct lease *lease, struct lease_member *member);
void lease_leave(struct lease_member *member);

/*
 * Whether a request may go upstream: placeholders in it (REFUSAL_EXFILTRATION tells `ret_stray`), the life of the lease,
 * the asker (`may_use`), the audit, the rules, the key's place, the secret, the size, and last the budget, of which an
 * admitted request takes its part: lease_release is then owed. `data` is the first of its content.
 */
struct verdict lease_admit(struct lease *lease, bool may_use, const struct request_head *request, struct slice data,
                           struct placeholder_stray *ret_stray);

/* What stands for the key in the workload; empty for nothing. */
static inline struct slice lease_placeholder(const struct lease *lease) {
    return lease->placeholder ? slice_of_string(lease->placeholder) : SLICE_EMPTY;
}
void lease_release(struct lease *lease);

/* Content has flowed. When that was too much the lease ends, soon: from the loop, not from inside this call. */
void lease_spend(struct lease *lease, uint64_t bytes);

/* Ends it. Running exchanges are cut from the loop. Harmless when it has ended already. */
void lease_end(struct lease *lease, enum refusal why);
