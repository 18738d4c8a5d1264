/*
 * The role task: one for each task. It reads the order, which the hub has written and the link has taken apart, does
 * operations on files itself, has commands run by credfd-exec and reads what they print, and writes what came of it into
 * the spool. It outlives its supervisor for as long as that takes.
 *
 * Whatever takes it over can do what a task could do anyway: in the workspace, as the task's user. It can open nothing
 * but the workspace and the spool, start nothing and connect to nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "fleet/files/files.h"
#include "fleet/sealed.h"
#include "fleet/task/task_path.h"
#include "fleet/task/task_place.h"
#include "fleet/task/task_state.h"
#include "fleet/task_plan.h"
#include "proc/role.h"

#define PHASE_PLAN 1u
#define PHASE_ORDER 2u
#define PHASE_WORK 4u

static void at_end_of_time(struct task *task);
static void at_end_of_patience(struct task *task);

/* What is done in a state when its time is over; those without one have none. */
static void (*const at_deadline[TASK_WAITS])(struct task *task) = {
    [WAIT_START] = at_end_of_time,
    [WAIT_EXIT] = at_end_of_time,
    [WAIT_STOP] = at_end_of_patience,
};

static struct task self = {.workspace = -EBADF,
                           .spool = -EBADF,
                           .begun = -EBADF,
                           .pipes = {-EBADF, -EBADF},
                           .wait_status = -1,
                           .order.operation = OPERATION_UNKNOWN};

void task_set_wait(struct task *task, enum task_wait wait, uint64_t deadline_ms) {
    task->wait = wait;
    timer_cancel(&task->deadline);
    if (deadline_ms > 0)
        timer_set(&task->deadline, deadline_ms);
}

static void deadline_expired(struct timer *timer) {
    struct task *task = container_of(timer, struct task, deadline);

    if (at_deadline[task->wait])
        at_deadline[task->wait](task);
}

static void at_end_of_time(struct task *task) {
    task_stop(task, TASK_TIMED_OUT, TIMEOUT_TASK_TERM);
}

/* credfd-exec does not answer: whatever it was, it is not waited for any more. */
static void at_end_of_patience(struct task *task) {
    log_error("credfd-exec does not end its command");
    task_finish_stopped(task);
}

static void put_seconds(struct text *text, uint64_t ms) {
    text_add(text, "task timed out after %llu", (unsigned long long)(ms / 1000));
    if (ms % 1000 != 0)
        text_add(text, ".%03llu", (unsigned long long)(ms % 1000));
    text_add(text, " s");
}

int task_describe_stop(const struct task *task, struct buf *to) {
    struct text text = {.to = to};

    if (task->stopping == TASK_TIMED_OUT)
        put_seconds(&text, task->timeout_ms);
    else if (task->stopping == TASK_INTERRUPTED)
        text_put(&text, SLICE("task interrupted: the runner ended"));
    else if (task->stopping == TASK_CANCELLED)
        text_put(&text,
                 task->is_runner_ending ? SLICE("task cancelled: the runner is stopping") : SLICE("task cancelled"));
    else
        text_put(&text, SLICE("task failed: no memory for what it prints"));
    return text.error;
}

void task_stop(struct task *task, enum task_outcome why, uint64_t term_ms) {
    struct ipc_writer w = ipc_begin(IPC_EXEC_STOP);
    uint64_t patience_ms = term_ms + TIMEOUT_TASK_KILL + 1000;

    if (task->stopping == TASK_RAN)
        task->stopping = why;
    if (task->wait != WAIT_START && task->wait != WAIT_EXIT && task->wait != WAIT_STOP)
        return; /* whoever begins something, or does it, looks */
    if (task->wait != WAIT_STOP)
        (void)channel_send(&task->exec, &w, -EBADF); /* it may just have ended */
    if (task->wait != WAIT_STOP || task->deadline.deadline_ms > loop_now_ms() + patience_ms)
        task_set_wait(task, WAIT_STOP, patience_ms);
}

/* Nobody is left to tell; what came of it is for the next supervisor. */
static void on_orphaned(void) {
    if (self.wait < WAIT_FILES)
        loop_stop(); /* nothing has begun */
    else
        task_stop(&self, TASK_INTERRUPTED, 0);
}

/* While files are worked on nobody turns the loop: it is asked here what has been said. */
static bool is_stopped(void *owner) {
    struct task *task = owner;

    channel_drain(role_channel());
    return task->stopping != TASK_RAN;
}

static void finish_files(struct task *task, int r, struct slice result, const char *error) {
    if (r == -ETIMEDOUT)
        task->stopping = TASK_TIMED_OUT;
    if (r == -ETIMEDOUT || r == -ECANCELED)
        task_finish_stopped(task);
    else if (r < 0)
        task_finish(task, TASK_FAILED, error ? slice_of_string(error) : SLICE("task failed: no memory"), SLICE_EMPTY);
    else
        task_finish(task, TASK_RAN, SLICE_EMPTY, result);
}

static void do_files(struct task *task) {
    struct files files = {.workspace = task->workspace, .is_cancelled = is_stopped, .owner = task};
    _cleanup_free_ char *error = NULL;
    struct buf result;
    int r;

    task->timeout_ms = MIN_OF(task->limits.timeout_ms, (uint64_t)TIMEOUT_FILES);
    files.deadline_ms = clock_now_ms() + task->timeout_ms;
    task_set_wait(task, WAIT_FILES, 0);
    buf_init(&result, LIMIT_RESULT - 4096);
    r = files_run(&files, &task->order, &result, &error);
    finish_files(task, r, buf_slice(&result), error);
    buf_release(&result);
}

/* Everything is there. Not from within a message's handler, so that messages can be heard while it works. */
static void begin(struct timer *timer) {
    struct task *task = container_of(timer, struct task, begin);
    int r = task_write_begun(task);

    task->began_ms = loop_now_ms();
    if (r < 0)
        task_finish_saying(task, TASK_FAILED, "task failed: the spool: %s",
                           r == -EEXIST ? "it has begun before" : strerror(-r));
    else if (task->stopping != TASK_RAN)
        task_finish_stopped(task);
    else if (task->workspace < 0)
        task_finish_saying(task, TASK_FAILED, "task failed: the workspace: %s", strerror(-task->workspace));
    else if (task->operation == OPERATION_BASH)
        bash_begin(task);
    else
        do_files(task);
}

static void copy_id(char to[static LIMIT_TASK_ID + 1], struct slice id) {
    memcpy(to, id.p, id.n); /* task_plan_decode bounds it */
    to[id.n] = '\0';
}

static int on_plan(void *owner, struct ipc_message *m) {
    struct task_plan plan;

    (void)owner;
    if (task_plan_decode(m, &plan) < 0)
        return -EPROTO;
    copy_id(self.task_id, plan.task_id);
    copy_id(self.trace_id, plan.trace_id);
    copy_id(self.source_id, plan.source_id);
    self.operation = plan.operation;
    self.limits = plan.limits;
    memcpy(self.workspace_path, plan.workspace.p, plan.workspace.n);
    self.base_url = plan.base_url.n > 0 ? strndup(plan.base_url.p, plan.base_url.n) : NULL;
    if (plan.base_url.n > 0 && !self.base_url)
        return -ENOMEM;
    role_channel()->phase = PHASE_ORDER;
    task_set_wait(&self, WAIT_ORDER, 0);
    return 0;
}

static int on_spool(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || self.spool >= 0)
        return -EPROTO;
    self.spool = fd_steal(&fd);
    return 0;
}

static int keep(struct buf *to, struct slice bytes) {
    if (!buf_is_empty(to) || (bytes.n > 0 && bytes.p[bytes.n - 1] != '\0'))
        return -EPROTO;
    buf_init(to, LIMIT_DATAGRAM);
    return buf_append(to, bytes);
}

static int on_environment(void *owner, struct ipc_message *m) {
    struct slice base = ipc_get_bytes(m, LIMIT_TASK_ENVIRONMENT), names = ipc_get_bytes(m, LIMIT_TASK_ENVIRONMENT);
    int r;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    r = keep(&self.base, base);
    return r == 0 ? keep(&self.key_names, names) : r;
}

static int on_lease(void *owner, struct ipc_message *m) {
    struct slice variables = ipc_get_bytes(m, LIMIT_DATAGRAM);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : keep(&self.lease, variables);
}

static int on_secret(void *owner, struct ipc_message *m) {
    int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || self.key) {
        fd_close(&fd);
        return -EPROTO;
    }
    return secret_open(fd, &self.key);
}

static int on_rules(void *owner, struct ipc_message *m) {
    int r;

    (void)owner;
    if (self.has_rules)
        return -EPROTO;
    r = command_rules_decode(m, &self.rules);
    self.has_rules = r == 0;
    return r;
}

static int on_peer(void *owner, struct ipc_message *m) {
    uint8_t role = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || role != 0 || number != 0 || channel_is_open(&self.exec))
        return -EPROTO;
    return bash_set_exec(&self, fd_steal(&fd));
}

/* Without rules nothing is permitted, as with rules of which none matches. */
static void take_paths(struct order *order, struct slice workspace) {
    order->workdir = task_path(order->workdir, workspace);
    order->path = task_path(order->path, workspace);
    if (order->operation == OPERATION_GLOB)
        order->pattern = task_path(order->pattern, workspace);
}

static int on_order(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || self.spool < 0)
        return -EPROTO;
    role_channel()->phase = PHASE_WORK;
    r = sealed_map(fd, 2 * (size_t)LIMIT_FRAME, &self.order_bytes);
    if (r == 0)
        r = order_parse(self.order_bytes, &self.order);
    if (r == 0 && self.order.operation != self.operation)
        r = -EBADMSG;
    if (r == -EBADMSG)
        return -EPROTO;
    if (r < 0)
        return r;
    take_paths(&self.order, slice_of_string(self.workspace_path));
    timer_set(&self.begin, 1);
    return 0;
}

static int on_cancel(void *owner, struct ipc_message *m) {
    uint8_t reason = ipc_get_u8(m);

    (void)owner;
    if (ipc_end(m) < 0 || reason >= CANCEL_REASONS)
        return -EPROTO;
    if (self.stopping == TASK_RAN)
        self.is_runner_ending = reason != CANCEL_ASKED;
    /* how fast it goes credfd-exec is told too */
    task_stop(&self, TASK_CANCELLED, reason == CANCEL_NOW ? 0 : TIMEOUT_TASK_TERM);
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TASK_PLAN, PHASE_PLAN, on_plan},
    {IPC_TASK_SPOOL, PHASE_ORDER, on_spool},
    {IPC_TASK_ENVIRONMENT, PHASE_ORDER, on_environment},
    {IPC_TASK_LEASE, PHASE_ORDER, on_lease},
    {IPC_TASK_SECRET, PHASE_ORDER, on_secret},
    {IPC_TASK_RULES, PHASE_ORDER, on_rules},
    {IPC_PEER, PHASE_ORDER, on_peer},
    {IPC_TASK_ORDER, PHASE_ORDER, on_order},
    {IPC_TASK_CANCEL, PHASE_ORDER | PHASE_WORK, on_cancel},
};

/* Before the sandbox closes; a workspace that is not there is the result of the task. */
static int prepare(void) {
    self.workspace = open(self.workspace_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self.workspace < 0)
        self.workspace = -errno;
    self.deadline.on_expiry = deadline_expired;
    self.begin.on_expiry = begin;
    return 0;
}

/*
 * What is done with files is done as the task's user, from the beginning on: it is part of how the role starts, while
 * nothing of a stranger's was read. The groups are the user's, and the runner's one for the spool.
 */
static int become_user(const struct task_place *place) {
    if (!place->has_user)
        return 0;
    if (geteuid() == 0 && setgroups(place->n_groups, place->groups) < 0)
        return -errno;
    if (setresgid(place->gid, place->gid, place->gid) < 0 || setresuid(place->uid, place->uid, place->uid) < 0)
        return -errno;
    return getuid() == place->uid && geteuid() == place->uid && getgid() == place->gid && getegid() == place->gid
               ? 0
               : -EPERM;
}

int main(int argc, char **argv) {
    static char workspace[PATH_MAX], spool[PATH_MAX];
    static const char *const writable[] = {workspace, spool};
    static const struct role role = {.name = "credfd-task",
                                     .seccomp = SECCOMP_TASK,
                                     .landlock = {.writable = writable, .n_writable = ARRAY_LEN(writable)},
                                     .permits = permits,
                                     .n_permits = ARRAY_LEN(permits),
                                     .phase = PHASE_PLAN,
                                     .prepare = prepare,
                                     .on_orphaned = on_orphaned};
    struct task_place place = {0};
    int r = argc == 2 ? task_place_parse(slice_of_string(argv[1]), &place) : -EINVAL;

    if (r == 0 && (place.workspace.n >= sizeof(workspace) || place.spool.n >= sizeof(spool)))
        r = -ENAMETOOLONG;
    if (r == 0) {
        memcpy(workspace, place.workspace.p, place.workspace.n);
        memcpy(spool, place.spool.p, place.spool.n);
        memcpy(self.workspace_path, workspace, sizeof(workspace));
        r = become_user(&place);
    }
    if (r < 0) {
        fprintf(stderr, "credfd-task: it cannot begin: %s\n", strerror(-r));
        return EXIT_FAILURE;
    }
    return role_main(&role);
}
