/*
 * The role exec: one for each bash task. It runs the command that credfd-task gives it, as the user and within the limits
 * that the supervisor gives it, hands credfd-task the pipes that it prints to, and is the reaper of all that comes of it.
 * It ends the command when it is told to, and when either of the two is gone; it ends itself when nothing of the command
 * is left.
 *
 * It becomes strangers' programs, and they may use sudo: so it has no sandbox, and reads nothing but frames of ours.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "fleet/task/exec_run.h"
#include "fleet/task/outcome.h"
#include "fleet/task_plan.h"
#include "proc/role.h"

#define PHASE_PLAN 1u
#define PHASE_READY 2u

static struct {
    struct channel task; /* to credfd-task */
    char workspace[PATH_MAX];
    struct task_user user;
    struct task_limits limits;
    int cgroup, lease;
    bool is_cancelled; /* before there was anything to run */
    struct exec_run run;
} x = {.cgroup = -EBADF, .lease = -EBADF};

/* credfd-task may be gone: then this role goes on alone until nothing is left. */
static void tell_task(const struct ipc_writer *w, int fd) {
    (void)channel_send(&x.task, w, fd);
}

/* The last word. */
static void take_leave(const struct ipc_writer *w) {
    tell_task(w, -EBADF);
    channel_done(&x.task);
    loop_stop();
}

static void begun(struct exec_run *run) {
    struct ipc_writer w = ipc_begin(IPC_EXEC_BEGUN);

    ipc_put_u32(&w, (uint32_t)run->tree.first);
    role_send(&w, -EBADF);
    tell_task(&w, -EBADF);
    for (unsigned i = 0; i < TASK_STREAMS; i++) {
        w = ipc_begin(IPC_EXEC_PIPE);
        ipc_put_u8(&w, (uint8_t)i);
        tell_task(&w, run->setup.readers[i]);
    }
}

static void failed(struct exec_run *run, int error, const char *what) {
    struct ipc_writer w = ipc_begin(IPC_EXEC_FAILED);

    (void)run;
    ipc_put_u32(&w, (uint32_t)error);
    ipc_put_bytes(&w, slice_of_string(what));
    take_leave(&w);
}

static void ended(struct exec_run *run, enum exec_end end) {
    struct ipc_writer w;

    if (end == EXEC_END_LEFT)
        log_warning("what a task has started under another user could not be ended");
    w = ipc_begin(IPC_EXEC_ENDED);
    ipc_put_u32(&w, (uint32_t)run->wait_status);
    ipc_put_u8(&w, (uint8_t)end);
    ipc_put_u8(&w, run->was_ended);
    take_leave(&w);
}

static const struct exec_listener listener = {.begun = begun, .failed = failed, .ended = ended};

/* The supervisor is gone. */
static void on_orphaned(void) {
    if (exec_run_is_started(&x.run))
        exec_run_end(&x.run, TIMEOUT_ORPHAN_TERM);
    else
        loop_stop();
}

/* credfd-task is gone, and with it whoever wanted the result. */
static void task_closed(void *owner, int reason) {
    (void)owner;
    if (reason != 0)
        log_error("credfd-task broke the rules of its channel: %s", strerror(-reason));
    if (exec_run_is_started(&x.run))
        exec_run_end(&x.run, TIMEOUT_TASK_TERM);
    else
        loop_stop();
}

/* Without a command there is nothing to end: none is begun any more. */
static void cancel(uint64_t term_ms) {
    x.is_cancelled = true;
    exec_run_end(&x.run, term_ms);
}

static int on_exec(void *owner, struct ipc_message *m) {
    int request = ipc_get_fd(m), r;
    const char *what = "it";

    (void)owner;
    if (ipc_end(m) < 0) {
        fd_close(&request);
        return -EPROTO;
    }
    x.task.phase = PHASE_READY;
    r = exec_setup_make(&x.run.setup, request, fd_steal(&x.lease), x.workspace, &what);
    if (r == 0 && x.is_cancelled)
        r = -ECANCELED;
    if (r < 0) {
        failed(&x.run, -r, what);
        return 0;
    }
    x.run.setup.user = &x.user;
    x.run.setup.bounds = exec_tree_bounds(&x.run.tree, &x.limits);
    exec_run_start(&x.run);
    return 0;
}

static int on_stop(void *owner, struct ipc_message *m) {
    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    cancel(TIMEOUT_TASK_TERM);
    return 0;
}

static const struct ipc_permit task_permits[] = {
    {IPC_EXEC, PHASE_PLAN, on_exec},
    {IPC_EXEC_STOP, PHASE_PLAN | PHASE_READY, on_stop},
};

static int on_plan(void *owner, struct ipc_message *m) {
    struct task_plan plan;

    (void)owner;
    if (task_plan_decode(m, &plan) < 0 || x.workspace[0] != '\0')
        return -EPROTO;
    memcpy(x.workspace, plan.workspace.p, plan.workspace.n); /* task_plan_decode bounds it */
    x.user = plan.user;
    x.limits = plan.limits;
    return 0;
}

static int take_fd(struct ipc_message *m, int *to) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    if (ipc_end(m) < 0 || *to >= 0)
        return -EPROTO;
    *to = fd_steal(&fd);
    return 0;
}

static int on_cgroup(void *owner, struct ipc_message *m) {
    (void)owner;
    return take_fd(m, &x.cgroup);
}

static int on_lease(void *owner, struct ipc_message *m) {
    (void)owner;
    return take_fd(m, &x.lease);
}

/* The last of what it must know. */
static int on_peer(void *owner, struct ipc_message *m) {
    uint8_t role = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || role != 0 || number != 0 || x.workspace[0] == '\0')
        return -EPROTO;
    r = exec_tree_init(&x.run.tree, x.cgroup);
    if (r == 0)
        r = channel_init(&x.task, fd_steal(&fd), task_permits, ARRAY_LEN(task_permits), PHASE_PLAN, NULL, task_closed);
    if (r < 0)
        return r;
    x.task.may_wait = true;
    role_channel()->phase = PHASE_READY;
    return 0;
}

static int on_cancel(void *owner, struct ipc_message *m) {
    uint8_t reason = ipc_get_u8(m);

    (void)owner;
    if (ipc_end(m) < 0 || reason >= CANCEL_REASONS)
        return -EPROTO;
    cancel(reason == CANCEL_NOW ? 0 : TIMEOUT_TASK_TERM);
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TASK_PLAN, PHASE_PLAN, on_plan},
    {IPC_TASK_CGROUP, PHASE_PLAN, on_cgroup},
    {IPC_TASK_LEASE, PHASE_PLAN, on_lease},
    {IPC_PEER, PHASE_PLAN, on_peer},
    {IPC_TASK_CANCEL, PHASE_PLAN | PHASE_READY, on_cancel},
};

static int prepare(void) {
    return exec_run_init(&x.run, &listener);
}

int main(void) {
    static const struct role exec = {.name = "credfd-exec",
                                     .permits = permits,
                                     .n_permits = ARRAY_LEN(permits),
                                     .phase = PHASE_PLAN,
                                     .prepare = prepare,
                                     .on_orphaned = on_orphaned,
                                     .is_plain = true};

    return role_main(&exec);
}
