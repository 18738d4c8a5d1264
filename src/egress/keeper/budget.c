#include "egress/keeper/budget.h"

#include "base/macros.h"
#include "base/weaken.h"

void budget_init(struct budget *b, uint64_t requests, uint64_t bytes) {
    *b = (struct budget){.requests = requests, .bytes = bytes, .is_new = requests == 0};
}

/*
 * A token bucket that holds no tokens but a moment (the generic cell rate algorithm): each request moves `next_us` on
 * by what one costs, and it may run ahead of the clock by a bucket's worth. No request is rounded away, and an idle
 * lease needs no timer.
 */
static bool take_of_rate(struct budget *b, const struct limits *limits, uint64_t now_us, uint64_t *ret_retry_after_s) {
    uint64_t window_us = limits->rate_ms * 1000, cost_us = window_us / limits->rate_count;
    uint64_t next_us = now_us; /* what was spent at another rate does not count for this one */

    if (b->cost_us == cost_us)
        next_us = MAX_OF(b->next_us, now_us);
    else if (b->cost_us == 0 && !b->is_new) /* an earlier keeper has used it, nobody knows how much of it: all */
        next_us = now_us + window_us - cost_us;

    if (next_us - now_us > window_us - cost_us) {
        uint64_t wait_us = next_us - now_us - (window_us - cost_us);

        *ret_retry_after_s = (wait_us + 999999) / 1000000;
        return false;
    }
    b->next_us = next_us + cost_us;
    b->cost_us = cost_us;
    return true;
}

enum refusal budget_take(struct budget *b, const struct limits *limits, uint64_t now_ms, uint64_t *ret_retry_after_s) {
    if (WEAKENED(BUDGET))
        limits = &(const struct limits){0};
    if (limits->requests > 0 && b->requests >= limits->requests)
        return REFUSAL_REQUESTS;
    if (limits->bytes > 0 && b->bytes >= limits->bytes)
        return REFUSAL_BYTES;
    if (limits->concurrent > 0 && b->active >= limits->concurrent)
        return REFUSAL_CONCURRENT;
    if (limits->rate_count > 0 && !take_of_rate(b, limits, now_ms * 1000, ret_retry_after_s))
        return REFUSAL_RATE;
    b->requests++;
    b->active++;
    return REFUSAL_NONE;
}

void budget_release(struct budget *b) {
    b->active--;
}

bool budget_spend(struct budget *b, const struct limits *limits, uint64_t bytes) {
    b->bytes += bytes;
    return limits->bytes == 0 || b->bytes <= limits->bytes || WEAKENED(BUDGET);
}

enum refusal budget_end(const struct budget *b, const struct limits *limits) {
    if (b->active > 0 || WEAKENED(BUDGET))
        return REFUSAL_NONE;
    if (limits->requests > 0 && b->requests >= limits->requests)
        return REFUSAL_REQUESTS;
    return limits->bytes > 0 && b->bytes >= limits->bytes ? REFUSAL_BYTES : REFUSAL_NONE;
}
