/*
 * How often one person's credential may be minted: a token bucket that holds no tokens but a moment (the generic cell
 * rate algorithm), so that nobody's bucket needs a timer. Pure: the time is given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* `count` in `window_ms`; a count of 0 is any number. */
struct pairing_rate {
    uint64_t count, window_ms;
};

/* `*next_us`, 0 at first, is how far the person has spent. False, with how long to wait (1 or more), when too far. */
bool pairing_rate_take(struct pairing_rate rate, uint64_t now_ms, uint64_t *next_us, uint32_t *ret_retry_s);

/* Whether the bucket is full again: there is nothing to remember. */
static inline bool pairing_rate_is_rested(uint64_t next_us, uint64_t now_ms) {
    return next_us <= now_ms * 1000;
}
