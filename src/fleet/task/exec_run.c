#include "fleet/task/exec_run.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"

static void at_rest_deadline(struct exec_run *run);
static void at_term_deadline(struct exec_run *run);
static void at_kill_deadline(struct exec_run *run);

/* What is done in a state when its time is over; those without one have none. */
static void (*const at_deadline[RUN_WAITS])(struct exec_run *run) = {
    [WAIT_REST] = at_rest_deadline,
    [WAIT_TERM] = at_term_deadline,
    [WAIT_KILL] = at_kill_deadline,
};

static void set_wait(struct exec_run *run, enum run_wait wait, uint64_t deadline_ms) {
    run->wait = wait;
    timer_cancel(&run->deadline);
    if (deadline_ms > 0)
        timer_set(&run->deadline, deadline_ms);
}

static void deadline_expired(struct timer *timer) {
    struct exec_run *run = container_of(timer, struct exec_run, deadline);

    if (at_deadline[run->wait])
        at_deadline[run->wait](run);
}

static void finish(struct exec_run *run, enum exec_end end) {
    set_wait(run, WAIT_CLOSE, 0);
    run->listener->ended(run, end);
}

static void fail(struct exec_run *run, int error, enum exec_step step) {
    set_wait(run, WAIT_CLOSE, 0);
    run->listener->failed(run, error, exec_step_name(step));
}

static void kill_now(struct exec_run *run) {
    run->kill_until_ms = loop_now_ms() + TIMEOUT_TASK_KILL;
    (void)exec_tree_kill(&run->tree);
    set_wait(run, WAIT_KILL, KILL_EVERY);
}

static void at_rest_deadline(struct exec_run *run) {
    exec_tree_terminate(&run->tree);
    set_wait(run, WAIT_TERM, TIMEOUT_TASK_TERM);
}

static void at_term_deadline(struct exec_run *run) {
    kill_now(run);
}

/* What takes our signals goes sooner or later: it is not given up. */
static void at_kill_deadline(struct exec_run *run) {
    if (!exec_tree_kill(&run->tree) && loop_now_ms() >= run->kill_until_ms)
        finish(run, EXEC_END_LEFT);
    else
        timer_set(&run->deadline, KILL_EVERY);
}

/* What the command has left behind goes too. */
static void command_is_over(struct exec_run *run, int status) {
    if (run->is_over)
        return;
    run->is_over = true;
    run->wait_status = status;
    if (run->wait == WAIT_EXIT)
        set_wait(run, WAIT_REST, GRACE_LEFT_BEHIND);
}

/* In a namespace the command's own status comes ahead of the end of its init. */
static void read_status(struct exec_run *run) {
    int status;

    if (run->tree.status >= 0 && read(run->tree.status, &status, sizeof(status)) == sizeof(status))
        command_is_over(run, status);
}

static void look_at_children(struct exec_run *run) {
    bool had_first = run->tree.first > 0, is_empty;
    int status = 0;

    if (run->wait < WAIT_EXIT || run->wait == WAIT_CLOSE)
        return; /* what became of its start the pipe says */
    is_empty = exec_tree_reap(&run->tree, &status);
    read_status(run);
    if (had_first && run->tree.first == 0)
        command_is_over(run, status);
    if (is_empty)
        finish(run, EXEC_END_WHOLE);
}

void exec_run_end(struct exec_run *run, uint64_t term_ms) {
    look_at_children(run); /* it may be over, and not known to be */
    if (run->wait == WAIT_REQUEST || run->wait >= WAIT_KILL)
        return;
    run->was_ended = run->was_ended || !run->is_over;
    if (term_ms == 0) {
        kill_now(run);
    } else if (run->wait < WAIT_TERM) {
        exec_tree_terminate(&run->tree);
        set_wait(run, WAIT_TERM, term_ms);
    } else if (run->deadline.deadline_ms > loop_now_ms() + term_ms) {
        set_wait(run, WAIT_TERM, term_ms);
    }
}

static void status_ready(struct watch *watch) {
    look_at_children(container_of(watch, struct exec_run, status));
}

static void children_changed(struct watch *watch) {
    struct exec_run *run = container_of(watch, struct exec_run, children);
    struct signalfd_siginfo signal;

    while (read(run->signal_fd, &signal, sizeof(signal)) == sizeof(signal)) {
    }
    look_at_children(run);
}

/* Its process has ended before it became the command; a namespace ends with it. */
static void forget_first(struct exec_run *run) {
    if (run->tree.first > 0)
        (void)waitpid(run->tree.first, NULL, 0);
    run->tree.first = 0;
    watch_remove(&run->status);
}

static void not_begun(struct exec_run *run, const struct exec_complaint *complaint) {
    forget_first(run);
    if (run->wait == WAIT_START && complaint->step == STEP_NAMESPACE && exec_tree_fall_back(&run->tree))
        exec_run_start(run);
    else
        fail(run, complaint->error, (enum exec_step)complaint->step);
}

/* It has become the command, or was ended before: by somebody's wish, or at its birth. */
static void no_complaint(struct exec_run *run) {
    if (!run->is_alive && run->wait == WAIT_START && exec_tree_fall_back(&run->tree)) {
        forget_first(run);
        exec_run_start(run);
        return;
    }
    run->listener->begun(run);
    exec_setup_done(&run->setup);
    if (run->wait == WAIT_START)
        set_wait(run, WAIT_EXIT, 0);
    look_at_children(run);
}

static void complaint_ready(struct watch *watch) {
    struct exec_run *run = container_of(watch, struct exec_run, complaint);
    struct exec_complaint complaint = {.step = STEP_ALIVE};
    ssize_t n = 1;

    while (n > 0 && complaint.step == STEP_ALIVE) {
        n = read(run->tree.complaint, &complaint, sizeof(complaint));
        run->is_alive = run->is_alive || n > 0;
    }
    if (n < 0)
        return; /* not yet */
    watch_remove(watch);
    if (run->wait == WAIT_CLOSE)
        return;
    if (n > 0)
        not_begun(run, &complaint);
    else
        no_complaint(run);
}

void exec_run_start(struct exec_run *run) {
    int r = exec_tree_start(&run->tree, &run->setup);

    run->is_alive = false;
    if (r == 0)
        r = watch_add(&run->complaint, run->tree.complaint, complaint_ready);
    if (r == 0 && run->tree.mode == EXEC_NAMESPACE)
        r = watch_add(&run->status, run->tree.status, status_ready);
    if (r < 0)
        fail(run, -r, STEP_FORK); /* our end, which follows, is its end */
    else
        set_wait(run, WAIT_START, 0);
}

int exec_run_init(struct exec_run *run, const struct exec_listener *listener) {
    sigset_t children;

    *run = (struct exec_run){.listener = listener, .deadline.on_expiry = deadline_expired};
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &children, NULL) < 0)
        return -errno;
    run->signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd < 0 ? -errno : watch_add(&run->children, run->signal_fd, children_changed);
}
