/*
 * The clock for lives and expiries: milliseconds that go on while the machine sleeps, and that no one can set
 * (CLOCK_BOOTTIME). The loop's own clock stands still in a sleep, which is right for time-outs and wrong for a lease.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for a clock that every kernel since 2.6.39 has */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
