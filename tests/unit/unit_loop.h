/*
 * For tests of what lives on the loop: it is turned until something has come true, so that no test waits for longer than
 * it must and none hopes that a time was long enough. What never comes true fails the test after LOOP_PATIENCE_MS.
 */
#pragma once

#include "net/loop.h"
#include "unit.h"

#define LOOP_PATIENCE_MS 20000

typedef bool loop_condition(const void *of);

static struct {
    struct timer timer;
    loop_condition *is_true;
    const void *of;
    uint64_t give_up_ms;
    unsigned turns;
    bool was_in_vain;
} loop_wait;

static inline void loop_look(struct timer *timer) {
    loop_wait.turns++;
    loop_wait.was_in_vain = loop_now_ms() > loop_wait.give_up_ms;
    if (loop_wait.is_true(loop_wait.of) || loop_wait.was_in_vain)
        loop_stop();
    else
        timer_set(timer, 1);
}

static inline void loop_until_is(loop_condition *is_true, const void *of, const char *file, int line) {
    loop_wait.timer.on_expiry = loop_look;
    loop_wait.is_true = is_true;
    loop_wait.of = of;
    loop_wait.give_up_ms = loop_now_ms() + LOOP_PATIENCE_MS;
    loop_wait.turns = 0;
    timer_set(&loop_wait.timer, 1);
    assert_int_equal(loop_run(), 0);
    if (!loop_wait.was_in_vain)
        return;
    print_error("it never came true\n");
    _fail(file, line);
}

#define loop_until(is_true, of) loop_until_is((is_true), (of), __FILE__, __LINE__)

static inline bool loop_flag_is_set(const void *flag) {
    return *(const bool *)flag;
}

/* Turns until `flag` is set. */
#define loop_until_set(flag) loop_until(loop_flag_is_set, (flag))

static inline bool loop_has_settled(const void *unused) {
    (void)unused;
    return loop_wait.turns >= 8;
}

/*
 * Turns until all that is on its way has been delivered: what one end of a local socket does stands at the other end
 * before the call that did it returns, so a few turns are enough.
 */
static inline void loop_settle(void) {
    loop_until(loop_has_settled, NULL);
}
