/*
 * One task that runs: begun, watched, cancelled, and brought to an end in which nothing of it is left. Its own process
 * (credfd-task) does it and writes its result; here its stages are kept, and what is to happen when a part of it dies.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "fleet/desk/runner_state.h"

#define ERROR_MAX (LIMIT_REASON + LIMIT_HOST)
#define TIMEOUT_END (TIMEOUT_TASK_TERM + TIMEOUT_TASK_KILL + 5000) /* for a command and its processes to be gone */

static void cancel_waiting(struct task *task);
static void cancel_unordered(struct task *task);
static void cancel_ordered(struct task *task);
static void be_late_with_lease(struct task *task);
static void be_late_with_result(struct task *task);

/* What a cancel means at each stage, and what is done when the stage takes longer than it may. */
static const struct {
    void (*cancel)(struct task *task);
    void (*late)(struct task *task);
} stages[TASK_STAGES] = {
    [TASK_WAITS_TURN] = {cancel_waiting, NULL},
    [TASK_WAITS_LEASE] = {cancel_unordered, be_late_with_lease},
    [TASK_WAITS_RESULT] = {cancel_ordered, be_late_with_result},
    [TASK_WAITS_END] = {NULL, task_kill},
};

static void late(struct timer *timer) {
    struct task *task = container_of(timer, struct task, late);

    stages[task->stage].late(task);
}

static void set_stage(struct task *task, enum task_stage stage, uint64_t at_most_ms) {
    task->stage = stage;
    task->late.on_expiry = late;
    timer_set(&task->late, at_most_ms);
}

static void be_started(struct task *task) {
    if (!task->is_starting)
        return;
    task->is_starting = false;
    task->runner->n_starting--;
}

static void free_when_gone(struct task *task) {
    if (task->stage == TASK_WAITS_END && !child_is_running(&task->task) && !child_is_running(&task->exec))
        task_free(task);
}

/* Its result is in the spool: what is left of it has a while to go. It may be gone when this returns. */
static void be_over(struct task *task, bool must_be_killed) {
    struct runner *runner = task->runner;

    set_stage(task, TASK_WAITS_END, TIMEOUT_END);
    be_started(task);
    fd_close(&task->order);
    fd_close(&task->key);
    if (task->holder && !WEAKENED(LENT))
        holder_end(steal_pointer(&task->holder));
    if (must_be_killed && child_is_running(&task->task))
        child_kill(&task->task); /* it is heard of by its exit, which may be before this returns */
    else
        free_when_gone(task);
    runner_spool_changed(runner);
}

/* Without a word of its own process: that has not begun, or is dead. An executor with a command ends that first. */
static void fail(struct task *task, enum task_outcome outcome, const char *error) {
    struct runner *runner = task->runner;

    task_log(LOG_WARNING, task->id, task->trace, "ended: %s: %s", task_outcome_name(outcome), error);
    runner->metrics.outcomes[outcome]++;
    (void)spool_finish(runner->spool, task->id, error); /* what cannot be written is kept, and tried again */
    if (task->stage != TASK_WAITS_RESULT)
        child_stop(&task->exec);
    be_over(task, true);
}

static const char *cancel_error(const struct task *task) {
    return task->cancel_reason == CANCEL_ASKED ? "task cancelled" : "task cancelled: the runner is stopping";
}

static void give_order(struct task *task) {
    const struct runner *runner = task->runner;
    struct ipc_writer w = ipc_begin(IPC_TASK_ORDER);
    int r = channel_send(&task->task.channel, &w, task->order);

    task->at_most_ms = runner->settings->limits.timeout_ms;
    if (task->operation != OPERATION_BASH)
        task->at_most_ms = MIN_OF(task->at_most_ms, (uint64_t)TIMEOUT_FILES);
    fd_close(&task->order);
    if (r < 0 && !ipc_is_gone(r)) { /* it has died otherwise, and that is told next */
        fail(task, TASK_FAILED, "task failed: it cannot be told its order");
        return;
    }
    task_log(LOG_INFO, task->id, task->trace, "begun: %s%s", operation_name(task->operation),
             task->holder ? ", with a lease" : "");
    set_stage(task, TASK_WAITS_RESULT, task->at_most_ms + TIMEOUT_END);
}

static void lease_ready(void *owner) {
    struct task *task = owner;

    if (task->stage == TASK_WAITS_LEASE)
        give_order(task);
}

/* One that has its order goes on: what it asks through its lease fails, and it sees that. */
static void lease_lost(void *owner) {
    struct task *task = owner;

    const char *fault = holder_fault(task->holder);
    char error[64 + LIMIT_REASON];

    if (task->stage != TASK_WAITS_LEASE)
        return;
    (void)snprintf(error, sizeof(error), "task failed: its lease could not be made%s%s", fault ? ": " : "",
                   fault ? fault : "");
    fail(task, TASK_FAILED, error);
}

/* Then another may begin in its place. */
static int on_hello(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct task *task = child->owner;
    int r = child_on_hello(owner, m);

    if (r == 0 && task->task.is_ready && (task->operation != OPERATION_BASH || task->exec.is_ready)) {
        be_started(task);
        runner_go_on(task->runner);
    }
    return r;
}

/* One that was not let run to its end has no exit status of its own. */
static void say_end(const struct task *task, enum task_outcome outcome, int exit_status, uint64_t ms,
                    uint64_t printed) {
    char status[32] = "";

    if (outcome == TASK_RAN && task->operation == OPERATION_BASH)
        (void)snprintf(status, sizeof(status), ", exit status %d", exit_status);
    task_log(LOG_INFO, task->id, task->trace, "ended: %s%s, %" PRIu64 " ms, %" PRIu64 " bytes",
             task_outcome_name(outcome), status, ms, printed);
}

/*
 * The result first, on the disk or in what came with the message; then the log. A task that says so before it had its
 * order, or twice, breaks the rules.
 */
static int on_done(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct task *task = child->owner;
    struct runner *runner = task->runner;
    uint8_t outcome = ipc_get_u8(m);
    int exit_status = (int)ipc_get_u32(m);
    uint64_t ms = ipc_get_u64(m), printed = ipc_get_u64(m);
    _cleanup_close_ int record = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;

    if (ipc_end(m) < 0 || outcome >= TASK_OUTCOMES || task->stage != TASK_WAITS_RESULT)
        return -EPROTO;
    if (record >= 0)
        (void)spool_keep(runner->spool, task->id, fd_steal(&record));
    else
        (void)spool_finish(runner->spool, task->id, "task failed: its result is not there");
    runner->metrics.outcomes[outcome]++;
    runner->metrics.task_ms += ms;
    runner->metrics.printed += printed;
    say_end(task, outcome, exit_status, ms, printed);
    be_over(task, false);
    return 0;
}

static int on_output(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct task *task = child->owner;
    uint8_t stream = ipc_get_u8(m);
    struct slice text = ipc_get_bytes(m, LIMIT_TASK_OUTPUT);

    if (ipc_end(m) < 0 || stream >= TASK_STREAMS)
        return -EPROTO;
    link_send_output(task->runner, task->id, stream, text);
    return 0;
}

/* For the log alone: where to look when something is amiss. */
static int on_exec_begun(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct task *task = child->owner;
    uint32_t pid = ipc_get_u32(m);

    if (ipc_end(m) < 0)
        return -EPROTO;
    task_log(LOG_DEBUG, task->id, task->trace, "its command is process %" PRIu32, pid);
    return 0;
}

/* The time that it had is the most that it could have: what it asked for itself stands in its order. */
static void fail_late(struct task *task) {
    char error[64];

    (void)snprintf(error, sizeof(error), "task timed out after %" PRIu64 " s", task->at_most_ms / 1000);
    fail(task, TASK_TIMED_OUT, error);
}

/* Its executor sees that it is gone, and ends what it runs. */
static void task_exited(struct child *child, int wait_status) {
    struct task *task = child->owner;

    (void)wait_status;
    if (task->stage == TASK_WAITS_END)
        free_when_gone(task);
    else if (task->is_cancelled)
        fail(task, TASK_CANCELLED, cancel_error(task));
    else if (task->is_late)
        fail_late(task);
    else
        fail(task, TASK_FAILED, "task failed: its process ended unexpectedly");
}

/* The task's process sees the same, and says so in its result. Whatever was left in the cgroup has lost its reaper. */
static void exec_exited(struct child *child, int wait_status) {
    struct task *task = child->owner;

    (void)wait_status;
    if (task->has_cgroup)
        cgroups_kill(&task->runner->cgroups, task->number);
    free_when_gone(task);
}

static const struct ipc_permit task_permits[] = {
    {IPC_HELLO, 1, on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_TASK_OUTPUT, 1, on_output},
    {IPC_TASK_DONE, 1, on_done},
};
static const struct ipc_permit exec_permits[] = {
    {IPC_HELLO, 1, on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_EXEC_BEGUN, 1, on_exec_begun},
};
static const struct task_hearing hearing = {
    .task_permits = task_permits,
    .exec_permits = exec_permits,
    .n_task_permits = ARRAY_LEN(task_permits),
    .n_exec_permits = ARRAY_LEN(exec_permits),
    .task_exited = task_exited,
    .exec_exited = exec_exited,
    .lease_ready = lease_ready,
    .lease_lost = lease_lost,
};

static void enter_running(struct task *task) {
    struct runner *runner = task->runner;

    task->before = runner->newest;
    if (runner->newest)
        runner->newest->next = task;
    else
        runner->oldest = task;
    runner->newest = task;
    runner->n_running++;
    runner->n_starting++;
    task->is_starting = true;
    task->number = ++runner->numbered;
    task->since_ms = runner_wall_ms();
    set_stage(task, TASK_WAITS_LEASE, TIMEOUT_ROLE_START + TIMEOUT_ROLE_STOP);
}

void task_begin(struct task *task) {
    struct buf error;
    int r;

    enter_running(task);
    buf_init(&error, ERROR_MAX);
    r = task_start_parts(task, &hearing, &error);
    if (r < 0) {
        (void)buf_append(&error, slice_of("", 1)); /* its NUL */
        fail(task, TASK_FAILED, buf_length(&error) > 1 ? buf_slice(&error).p : "task failed: out of memory");
    } else if (!task->holder) {
        give_order(task);
    }
    buf_release(&error);
}

static void cancel_waiting(struct task *task) {
    struct runner *runner = task->runner;

    runner->metrics.outcomes[TASK_CANCELLED]++;
    (void)spool_finish(runner->spool, task->id, cancel_error(task));
    task_free(task);
    runner_spool_changed(runner);
}

static void cancel_unordered(struct task *task) {
    fail(task, TASK_CANCELLED, cancel_error(task));
}

static void tell_cancel(struct child *child, enum cancel_reason reason) {
    struct ipc_writer w = ipc_begin(IPC_TASK_CANCEL);

    ipc_put_u8(&w, (uint8_t)reason);
    if (child_is_running(child))
        (void)channel_send(&child->channel, &w, -EBADF); /* one that cannot be told is about to be known as dead */
}

/* It says itself how it ended, when all of it has; the executor begins at once. */
static void cancel_ordered(struct task *task) {
    tell_cancel(&task->task, task->cancel_reason);
    tell_cancel(&task->exec, task->cancel_reason);
    set_stage(task, TASK_WAITS_RESULT, TIMEOUT_END);
}

void task_cancel(struct task *task, enum cancel_reason reason) {
    static const char *const words[CANCEL_REASONS] = {
        [CANCEL_ASKED] = "the hub asks for it",
        [CANCEL_ENDING] = "the runner is stopping",
        [CANCEL_NOW] = "the runner ends now",
    };

    if (!stages[task->stage].cancel || (task->is_cancelled && reason != CANCEL_NOW))
        return;
    task_log(LOG_INFO, task->id, task->trace, "cancelled: %s", words[reason]);
    task->is_cancelled = true;
    task->cancel_reason = reason;
    stages[task->stage].cancel(task);
}

static void be_late_with_lease(struct task *task) {
    fail(task, TASK_FAILED, "task failed: its lease could not be made");
}

/* It does not keep its own time: it is stuck, or stopped. Without it the executor ends what it runs. */
static void be_late_with_result(struct task *task) {
    task_log(LOG_ERROR, task->id, task->trace, "it does not end in its time: its process is killed");
    task->is_late = true;
    set_stage(task, TASK_WAITS_RESULT, TIMEOUT_END);
    child_kill(&task->task);
}

void task_kill(struct task *task) {
    task_log(LOG_ERROR, task->id, task->trace, "what is left of it is killed");
    timer_set(&task->late, TIMEOUT_END);
    if (task->has_cgroup)
        cgroups_kill(&task->runner->cgroups, task->number);
    child_kill(&task->exec);
    child_kill(&task->task);
}
