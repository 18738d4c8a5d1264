#include "ingress/pairing/pairing_rate.h"

#include "base/macros.h"
#include "base/weaken.h"

bool pairing_rate_take(struct pairing_rate rate, uint64_t now_ms, uint64_t *next_us, uint32_t *ret_retry_s) {
    uint64_t now_us = now_ms * 1000, next = MAX_OF(*next_us, now_us);
    uint64_t cost_us, wait_us;

    if (rate.count == 0 || WEAKENED(RATE))
        return true;
    cost_us = rate.window_ms * 1000 / rate.count;
    /* the bucket is full when `next` is now, and empty when it is a window ahead */
    if (next - now_us + cost_us <= rate.window_ms * 1000) {
        *next_us = next + cost_us;
        return true;
    }
    wait_us = next - now_us + cost_us - rate.window_ms * 1000;
    *ret_retry_s = (uint32_t)((wait_us + 999999) / 1000000);
    return false;
}
