/*
 * What one task consists of: its two processes and the channel between them, its cgroup, its lease; and what each of them
 * is told before the order. Nothing is decided here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/shortage.h"
#include "base/text.h"
#include "fleet/desk/runner_state.h"
#include "fleet/task_plan.h"

#define LEASE_NUMBER 3 /* of its descriptor, in the command */
#define LEASE_ENVIRONMENT (64 * 1024)

static int say(struct child *child, const struct ipc_writer *w, int fd) {
    return channel_send(&child->channel, w, fd);
}

static int say_alone(struct child *child, enum ipc_type type, int fd) {
    struct ipc_writer w = ipc_begin(type);

    return say(child, &w, fd);
}

static int tell_plan(struct task *task, struct child *child) {
    const struct runner *runner = task->runner;
    const struct task_plan plan = {
        .task_id = task->id,
        .trace_id = task->trace,
        .source_id = task->source,
        .operation = task->operation,
        .workspace = slice_of_string(runner->first->workspace),
        .user = runner->user,
        .base_url = task->key >= 0 && !task->is_leased ? task->base_url : SLICE_EMPTY,
        .limits = runner->settings->limits,
    };
    struct ipc_writer w = task_plan_encode(&plan);

    return say(child, &w, -EBADF);
}

static int tell_rules(struct task *task) {
    struct ipc_writer w = command_rules_encode(&task->runner->settings->permission);

    return say(&task->task, &w, -EBADF);
}

static int tell_environment(struct task *task) {
    const struct runner *runner = task->runner;
    struct ipc_writer w = ipc_begin(IPC_TASK_ENVIRONMENT);
    struct buf names;
    struct text text = {.to = &names};
    int r;

    buf_init(&names, LIMIT_TASK_ENVIRONMENT);
    for (char **name = runner->settings->secret_env; name && *name; name++)
        text_put(&text, slice_of(*name, strlen(*name) + 1)); /* with its NUL */
    ipc_put_bytes(&w, buf_slice(&runner->environment));
    ipc_put_bytes(&w, buf_slice(&names));
    r = text.error < 0 ? text.error : say(&task->task, &w, -EBADF);
    buf_release(&names);
    return r;
}

/* The workload's end goes to credfd-exec, which gives it to the command; what the command knows it by, to credfd-task. */
static int tell_lease(struct task *task, int end) {
    struct buf environment;
    struct ipc_writer w;
    int r = say_alone(&task->exec, IPC_TASK_LEASE, end);

    buf_init(&environment, LEASE_ENVIRONMENT);
    if (r == 0)
        r = holder_environment(task->holder, LEASE_NUMBER, &environment);
    if (r == 0) {
        w = ipc_begin(IPC_TASK_LEASE);
        ipc_put_bytes(&w, buf_slice(&environment));
        r = say(&task->task, &w, -EBADF);
    }
    buf_release(&environment);
    return r;
}

static int lend(struct task *task, const struct task_hearing *hearing) {
    const struct lease_terms *terms = &task->runner->terms;
    char identity[LIMIT_TASK_ID + 1], upstream[LIMIT_BASE_URL + 1];
    const struct loan loan = {
        .terms = terms->credential,
        .name = terms->credential->name,
        .upstream = upstream,
        .key = fd_steal(&task->key),
    };
    _cleanup_close_ int end = -EBADF;
    int r;

    (void)snprintf(identity, sizeof(identity), "%.*s", SLICE_ARG(task->id));
    (void)snprintf(upstream, sizeof(upstream), "%.*s", SLICE_ARG(task->base_url));
    r = broker_lend(task->runner->broker, &loan, identity, hearing->lease_ready, task, &end, &task->holder);
    if (r < 0)
        return r;
    holder_on_lost(task->holder, hearing->lease_lost);
    return tell_lease(task, end);
}

/* A key becomes a lease, or where the hub was not told of leases it goes into the command's environment. */
static int give_key(struct task *task, const struct task_hearing *hearing) {
    int r;

    if (task->key < 0)
        return 0;
    if (task->is_leased)
        return lend(task, hearing);
    r = say_alone(&task->task, IPC_TASK_SECRET, task->key);
    fd_close(&task->key);
    return r;
}

static int give_cgroup(struct task *task) {
    struct runner *runner = task->runner;
    _cleanup_close_ int directory = cgroups_make(&runner->cgroups, task->number, &runner->settings->limits);

    if (directory == -EBADF)
        return 0;
    if (directory < 0)
        return directory;
    task->has_cgroup = true;
    return say_alone(&task->exec, IPC_TASK_CGROUP, directory);
}

static int tell_peer(struct child *child, int end) {
    struct ipc_writer w = ipc_begin(IPC_PEER);

    ipc_put_u8(&w, 0);
    ipc_put_u32(&w, 0);
    return say(child, &w, end);
}

/* Last of all that credfd-exec is told: it listens to credfd-task from then on. */
static int introduce(struct task *task) {
    _cleanup_close_ int task_end = -EBADF, exec_end = -EBADF;
    int ends[2], r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);

    if (r < 0)
        return r;
    task_end = ends[0];
    exec_end = ends[1];
    r = tell_peer(&task->exec, exec_end);
    return r == 0 ? tell_peer(&task->task, task_end) : r;
}

static int start_task(struct task *task, const struct task_hearing *hearing) {
    struct runner *runner = task->runner;
    int r = child_start(&task->task, "credfd-task", runner->task_place, hearing->task_permits, hearing->n_task_permits,
                        1, hearing->task_exited, task);

    if (r == 0)
        r = tell_plan(task, &task->task);
    return r == 0 ? say_alone(&task->task, IPC_TASK_SPOOL, spool_directory(runner->spool)) : r;
}

static int start_exec(struct task *task, const struct task_hearing *hearing) {
    int r = child_start(&task->exec, "credfd-exec", NULL, hearing->exec_permits, hearing->n_exec_permits, 1,
                        hearing->exec_exited, task);

    if (r == 0)
        r = tell_plan(task, &task->exec);
    return r == 0 ? give_cgroup(task) : r;
}

static int start_bash(struct task *task, const struct task_hearing *hearing) {
    int r = start_exec(task, hearing);

    if (r == 0)
        r = tell_environment(task);
    if (r == 0)
        r = tell_rules(task);
    if (r == 0)
        r = give_key(task, hearing);
    return r == 0 ? introduce(task) : r;
}

/* What may change with the settings is judged when it begins, by what they say then. */
static int judge_key(struct task *task, struct buf *ret_error) {
    return task->key < 0 ? 0 : base_url_judge(task->runner->settings, task->base_url, ret_error);
}

int task_start_parts(struct task *task, const struct task_hearing *hearing, struct buf *ret_error) {
    struct text error = {.to = ret_error};
    char shortage[SHORTAGE_TEXT];
    int r = judge_key(task, ret_error);

    if (r < 0)
        return r;
    r = start_task(task, hearing);
    if (r == 0 && task->operation == OPERATION_BASH)
        r = start_bash(task, hearing);
    if (r < 0)
        text_add(&error, "task failed: it cannot be started: %s", shortage_explain(r, shortage));
    return r;
}
