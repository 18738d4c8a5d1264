/*
 * What a lease may spend, and what it has spent: requests, bytes, a rate, exchanges at a time. Pure: the time is given.
 * The keeper asks before each request and accounts what flows; nobody else decides.
 */
#pragma once

#include <stdbool.h>

#include "egress/refusal.h"
#include "egress/settings/settings.h"

struct budget {
    uint64_t requests, bytes; /* spent so far */
    uint64_t active;          /* exchanges under way */
    uint64_t next_us;         /* the moment that the rate has been spent up to */
    uint64_t cost_us;         /* of a request, when that was reckoned; 0 before */
    bool is_new;              /* no earlier keeper has admitted anything */
};

/* What an earlier keeper has accounted for this lease. */
void budget_init(struct budget *b, uint64_t requests, uint64_t bytes);

/*
 * Takes one request out of the budget: REFUSAL_NONE, and then budget_release is owed; or REFUSAL_REQUESTS, _BYTES,
 * _RATE or _CONCURRENT, and nothing is taken. With _RATE, `*ret_retry_after_s` is how long to wait, 1 or more.
 */
enum refusal budget_take(struct budget *b, const struct limits *limits, uint64_t now_ms, uint64_t *ret_retry_after_s);

/* An exchange is over. */
void budget_release(struct budget *b);

/* Content has flowed, either way. False when that was more than there is. */
bool budget_spend(struct budget *b, const struct limits *limits, uint64_t bytes);

/* Nothing is left of it, and nothing is under way: whether the lease has come to its end, and why. */
enum refusal budget_end(const struct budget *b, const struct limits *limits);
