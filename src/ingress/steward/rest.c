#include "ingress/steward/rest.h"

#include "base/limits.h"
#include "base/macros.h"
#include "ingress/steward/wake.h"

static struct witness witnesses[LIMIT_WORKERS];
static size_t n_witnesses; /* one more than the highest number */
static struct timer timer;
static bool is_held;

void rest_dispatcher_came(uint32_t number) {
    witnesses[number] = (struct witness){.state = WITNESS_THERE, .since_ms = loop_now_ms()};
    n_witnesses = MAX_OF(n_witnesses, (size_t)number + 1);
}

void rest_dispatcher_went(uint32_t number) {
    witnesses[number] = (struct witness){.state = WITNESS_GONE, .since_ms = loop_now_ms()};
}

void rest_dispatcher_puzzles(uint32_t number) {
    witnesses[number].since_ms = loop_now_ms();
}

int rest_report(uint32_t number, struct ward *ward, uint32_t requests, uint32_t open) {
    if (requests > 0 || open > 0)
        ward->is_running = true;
    return use_report(&ward->use, number, loop_now_ms(), requests, open);
}

static bool is_idle(const struct ward *ward) {
    return !is_held && use_is_idle(&ward->use, witnesses, n_witnesses, loop_now_ms(), wake_rules()->idle_ms);
}

static bool is_stoppable(const struct ward *ward) {
    return wake_rules()->idle_ms > 0 && ward->is_running && wake_may_stop(ward);
}

/* Nothing is left to be known of it. */
static bool is_over(const struct ward *ward) {
    for (size_t i = 0; i < ward->use.n_seen; i++)
        if (ward->use.seen[i].at_ms > 0 && !ward->use.seen[i].is_quiet)
            return false;
    return loop_now_ms() - ward->use.last_ms > HEALTH_USED;
}

static void look_at(struct ward *ward) {
    if (ward->state != AT_REST)
        return;
    if (is_stoppable(ward)) {
        if (is_idle(ward))
            wake_stop_if(ward, is_idle);
    } else if (is_over(ward)) {
        wake_forget(ward);
        ward_drop(ward);
    }
}

static void look(struct timer *due) {
    ward_each(look_at);
    timer_set(due, IDLE_LOOK);
}

void rest_begin(void) {
    timer.on_expiry = look;
    timer_set(&timer, IDLE_LOOK);
}

void rest_hold(void) {
    is_held = true;
}
