#include "ingress/steward/wake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/steward/activity.h"
#include "ingress/steward/start_plan.h"
#include "proc/role.h"

/* What each state does with what it waits for; NULL: it cannot come. */
static void start_done(struct ward *ward, const char *fault);
static void stop_done(struct ward *ward, const char *fault);
static void listen_answered(struct ward *ward, const struct call_answer *answer);
static void idle_answered(struct ward *ward, const struct call_answer *answer);
static void start_late(struct ward *ward);
static void stop_late(struct ward *ward);

static const struct {
    const char *name;
    void (*done)(struct ward *ward, const char *fault); /* the unit's job, or the command */
    void (*answered)(struct ward *ward, const struct call_answer *answer);
    void (*late)(struct ward *ward);
} states[WARD_STATES] = {
    [AT_REST] = {"at rest", NULL, NULL, NULL},
    [WAIT_START] = {"its start", start_done, NULL, start_late},
    [WAIT_LISTEN] = {"its first connection", NULL, listen_answered, start_late},
    [WAIT_IDLE] = {"its activity", NULL, idle_answered, NULL},
    [WAIT_STOP] = {"its stop", stop_done, NULL, stop_late},
};

static struct steward_rules rules;
static bool (*still_idle)(const struct ward *ward);
static uint32_t last_command;

void wake_set_rules(const struct steward_rules *new_rules) {
    rules = *new_rules;
    bus_set_address(rules.bus);
}

const struct steward_rules *wake_rules(void) {
    return &rules;
}

static void drop_waits(struct ward *ward) {
    instance_call_cancel(ward->ask);
    bus_forget(ward->job);
    timer_cancel(&ward->deadline);
    timer_cancel(&ward->look);
    ward->ask = NULL;
    ward->job = NULL;
    ward->command = 0;
}

/* The one place where the state changes. What the old one waited for is not waited for any more, but for its deadline. */
static void set_state(struct ward *ward, enum ward_state state) {
    log_debug("instance %.*s: waits for %s", SLICE_ARG(ward->key), states[state].name);
    instance_call_cancel(ward->ask);
    ward->ask = NULL;
    ward->state = state;
    if (state == AT_REST)
        drop_waits(ward);
}

static void job_done(void *owner, const char *fault, const char *detail) {
    struct ward *ward = owner;

    ward->job = NULL;
    if (detail)
        log_warning("instance %.*s: systemd: %s", SLICE_ARG(ward->key), detail);
    states[ward->state].done(ward, fault);
}

static void answered(void *owner, const struct call_answer *answer) {
    struct ward *ward = owner;

    ward->ask = NULL;
    states[ward->state].answered(ward, answer);
}

static void late(struct timer *timer) {
    struct ward *ward = container_of(timer, struct ward, deadline);

    states[ward->state].late(ward);
}

static void failed(struct ward *ward, const char *fault) {
    log_warning("instance %.*s was not started: %s", SLICE_ARG(ward->key), fault);
    (void)snprintf(ward->fault, sizeof(ward->fault), "%s", fault);
    ward->failed_at_ms = loop_now_ms();
    set_state(ward, AT_REST);
}

static void start_late(struct ward *ward) {
    failed(ward, ward->state == WAIT_START ? "its start took too long" : "it was started, and does not listen");
}

static void look(struct timer *timer) {
    struct ward *ward = container_of(timer, struct ward, look);

    if (ask_start(&ward->instance, SLICE_EMPTY, TIMEOUT_HEALTH, answered, ward, &ward->ask) < 0)
        failed(ward, "out of memory");
}

static void listen_answered(struct ward *ward, const struct call_answer *answer) {
    if (answer->end != CALL_ANSWERED) {
        timer_set(&ward->look, WAKE_LOOK);
        return;
    }
    log_info("instance %.*s was started", SLICE_ARG(ward->key));
    ward->up_at_ms = ward->use.last_ms = loop_now_ms();
    ward->is_running = true;
    set_state(ward, AT_REST);
}

static void start_done(struct ward *ward, const char *fault) {
    if (fault) {
        failed(ward, fault);
        return;
    }
    set_state(ward, WAIT_LISTEN);
    ward->look.on_expiry = look;
    look(&ward->look);
}

static void run_command(struct ward *ward, enum steward_command command) {
    struct ipc_writer w = ipc_begin(IPC_COMMAND);

    ward->command = ++last_command == 0 ? ++last_command : last_command;
    ipc_put_u32(&w, ward->command);
    ipc_put_u8(&w, (uint8_t)command);
    ipc_put_u64(&w, ward->table);
    ipc_put_u32(&w, ward->instance.number);
    role_send(&w, -EBADF);
}

/* 0; or -errno, and nothing was begun. */
static int carry_out(struct ward *ward, const struct start_plan *plan, enum bus_verb verb) {
    if (plan->way == START_UNIT)
        return bus_begin(verb, plan->unit, job_done, ward, &ward->job);
    run_command(ward, verb == BUS_START ? STEWARD_START : STEWARD_STOP);
    return 0;
}

/* Why nothing could be begun. */
static const char *fault_of_begin(int error, const struct start_plan *plan, char to[static LIMIT_REASON + 1]) {
    if (error != -EHOSTDOWN)
        return "out of memory";
    (void)snprintf(to, LIMIT_REASON + 1, "%s: systemd cannot be reached at %s", plan->unit, bus_address());
    return to;
}

static void start(struct ward *ward, const struct start_plan *plan) {
    char fault[LIMIT_REASON + 1];
    int r;

    ward->fault[0] = '\0';
    ward->is_wanted = false;
    ward->deadline.on_expiry = late;
    set_state(ward, WAIT_START);
    timer_set(&ward->deadline, rules.wait_ms);
    r = carry_out(ward, plan, BUS_START);
    if (r < 0)
        failed(ward, fault_of_begin(r, plan, fault));
}

static bool was_lately(uint64_t at_ms, uint64_t within_ms) {
    return at_ms > 0 && loop_now_ms() - at_ms < within_ms;
}

static enum wake_state wake_at_rest(struct ward *ward, const struct start_plan *plan, const char **ret_reason) {
    if (was_lately(ward->up_at_ms, WAKE_FRESH))
        return WAKE_UP; /* it was asked for before that, and came too late for the answer */
    if (ward->fault[0] == '\0' && was_lately(ward->up_at_ms, WAKE_RETRY)) {
        (void)snprintf(ward->fault, sizeof(ward->fault), "it was started, and ended again");
        ward->failed_at_ms = ward->up_at_ms;
    }
    if (ward->fault[0] == '\0' || !was_lately(ward->failed_at_ms, WAKE_RETRY))
        start(ward, plan);
    if (ward->state == AT_REST)
        *ret_reason = ward->fault;
    return ward->state == AT_REST ? WAKE_FAILED : WAKE_STARTING;
}

enum wake_state wake(struct ward *ward, const char **ret_reason) {
    struct start_plan plan = start_plan_of(&rules, &ward->instance);

    if (plan.way == START_NOT)
        return WAKE_NOT_MINE;
    ward->use.last_ms = loop_now_ms();
    if (ward->state == WAIT_IDLE)
        set_state(ward, AT_REST); /* it does not answer: what it would say about itself does not matter */
    if (ward->state == AT_REST)
        return wake_at_rest(ward, &plan, ret_reason);
    ward->is_wanted = ward->state == WAIT_STOP;
    return WAKE_STARTING;
}

bool wake_may_stop(const struct ward *ward) {
    return start_plan_of(&rules, &ward->instance).may_stop;
}

static void stop_over(struct ward *ward) {
    struct start_plan plan = start_plan_of(&rules, &ward->instance);
    bool is_wanted = ward->is_wanted && plan.way != START_NOT;

    set_state(ward, AT_REST);
    if (is_wanted)
        start(ward, &plan);
}

static void stop_done(struct ward *ward, const char *fault) {
    if (fault)
        log_warning("instance %.*s was not stopped: %s", SLICE_ARG(ward->key), fault);
    stop_over(ward);
}

static void stop_late(struct ward *ward) {
    stop_done(ward, "its stop took too long");
}

/* It is not tried again before it was used or started anew: whoever mends what went wrong sees the line in the log. */
static void stop(struct ward *ward) {
    struct start_plan plan = start_plan_of(&rules, &ward->instance);
    char fault[LIMIT_REASON + 1];
    int r;

    set_state(ward, AT_REST);
    if (!plan.may_stop || !still_idle(ward))
        return;
    log_info("instance %.*s is idle and is stopped", SLICE_ARG(ward->key));
    ward->is_running = ward->is_wanted = false;
    ward->up_at_ms = 0; /* that it ends now is no fault of its own */
    ward->deadline.on_expiry = late;
    set_state(ward, WAIT_STOP);
    timer_set(&ward->deadline, TIMEOUT_STOP);
    r = carry_out(ward, &plan, BUS_STOP);
    if (r < 0)
        stop_done(ward, fault_of_begin(r, &plan, fault));
}

static void idle_answered(struct ward *ward, const struct call_answer *answer) {
    bool is_idle =
        answer->end == CALL_ANSWERED && answer->status == 200 && activity_is_idle(answer->body, rules.activity_field);

    if (is_idle) {
        stop(ward);
        return;
    }
    ward->ask_again_ms = loop_now_ms() + ACTIVITY_AGAIN;
    set_state(ward, AT_REST);
}

void wake_stop_if(struct ward *ward, bool (*is_idle)(const struct ward *ward)) {
    still_idle = is_idle;
    if (rules.activity_path[0] == '\0') {
        stop(ward);
        return;
    }
    if (loop_now_ms() < ward->ask_again_ms)
        return;
    set_state(ward, WAIT_IDLE);
    if (ask_start(&ward->instance, slice_of_string(rules.activity_path), TIMEOUT_HEALTH, answered, ward, &ward->ask) <
        0)
        set_state(ward, AT_REST);
}

void wake_forget(struct ward *ward) {
    drop_waits(ward);
    ward->state = AT_REST;
}

/* Which ward a command was run for, while they are gone through. */
static struct {
    uint32_t number;
    struct ward *ward;
} sought;

static void compare_command(struct ward *ward) {
    if (ward->command == sought.number)
        sought.ward = ward;
}

/* NULL: it has done what it should. The supervisor has said which command it was, and what it wrote. */
static const char *fault_of_command(enum command_end end, int status, char to[static LIMIT_REASON + 1]) {
    if (end == COMMAND_NOT_STARTED)
        return "its command could not be run";
    if (end == COMMAND_TIMED_OUT)
        return "its command took too long";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    (void)snprintf(to, LIMIT_REASON + 1,
                   WIFEXITED(status) ? "its command ended with %d" : "signal %d ended its command",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return to;
}

void wake_command_done(uint32_t number, enum command_end end, uint32_t wait_status) {
    char fault[LIMIT_REASON + 1];

    sought.number = number;
    sought.ward = NULL;
    if (number != 0)
        ward_each(compare_command);
    if (!sought.ward)
        return; /* of an instance that is gone by now, or that took too long */
    sought.ward->command = 0;
    states[sought.ward->state].done(sought.ward, fault_of_command(end, (int)wait_status, fault));
}
