#include "proc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "proc/place.h"
#include "proc/role.h"

#define START_STACK (16 * 1024) /* of which a few calls into libc use a tenth */

static char program_directory[PATH_MAX];
/* A low number, kept for the end of a channel that the next role gets; between two starts the other one fills it. */
static int shelf = -EBADF, shelf_filler = -EBADF;

static int reserve_shelf(void) {
    if (shelf >= 0)
        return 0;
    shelf = open("/", O_PATH | O_CLOEXEC);
    shelf_filler = shelf < 0 ? -EBADF : fcntl(shelf, F_DUPFD_CLOEXEC, 0);
    if (shelf_filler >= 0)
        return 0;
    fd_close(&shelf);
    return -errno;
}

int child_find_programs(void) {
    int r = reserve_shelf();

    return r < 0 ? r : place_find(CREDFD_LIBEXECDIR, program_directory, sizeof(program_directory));
}

int child_program_path(const char *name, char *path, size_t size) {
    int n = snprintf(path, size, "%s/%s", program_directory, name);

    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* What a role is started from. */
struct start {
    const char *path, *name, *argument;
};

/*
 * Between clone and exec: in memory that is still ours, so only async-signal-safe calls, and what is written stays in
 * this frame. The first of them leaves the table of descriptors, which is ours too until then: of what lies above the
 * shelf nothing is copied, however much it is. Nothing of ours survives but the channel's end.
 */
__attribute__((no_sanitize_address)) static int become_role(void *of) {
    const struct start *start = of;
    union {
        const char *given[3];
        char *taken[3]; /* execve leaves them alone */
    } arguments = {.given = {start->name, start->argument, NULL}};
    char *const environment[] = {NULL};
    sigset_t none;

    if ((WEAKENED(CLOSE_RANGE) ? unshare(CLONE_FILES) : close_range((unsigned)shelf + 1, ~0U, CLOSE_RANGE_UNSHARE)) < 0)
        _exit(127);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* job control is between the terminal and the command; and in a group of its own a copy can be found */
    (void)setsid();
    if (shelf == ROLE_CHANNEL ? fd_set_cloexec(shelf, false) < 0 : dup2(shelf, ROLE_CHANNEL) < 0)
        _exit(127);
    if (!WEAKENED(CLOSE_RANGE))
        (void)close_range(ROLE_CHANNEL + 1, ~0U, 0);
    (void)execve(start->path, arguments.taken, environment);
    _exit(127);
}

/*
 * As vfork(2): no page table is copied, and no page of ours is faulted in once more afterwards. We wait until it is
 * another program, and it has nothing that could run in our memory meanwhile: signals come to us by a descriptor, not by
 * handlers. Unlike there our descriptors are shared at first: there may be thousands, and a copy takes its time for each.
 */
static pid_t start_process(struct start *start, int channel) {
    _Alignas(16) char stack[START_STACK];
    pid_t pid;

    if (dup3(channel, shelf, O_CLOEXEC) < 0)
        return -1;
    pid = clone(become_role, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, start);
    (void)dup3(shelf_filler, shelf, O_CLOEXEC); /* the role's end is the role's alone */
    return pid;
}

static void forget_process(struct child *child) {
    watch_remove(&child->exit);
    fd_close(&child->pidfd);
    child->pid = 0;
}

/* A copy that ended before it had told its number is known by its group alone. */
static void reap_unknown_copy(struct child *child) {
    pid_t pid = waitpid(-child->group, NULL, WNOHANG);

    if (pid != 0)
        return; /* reaped, or there was none */
    /* its number is pinned by a process of ours that is not reaped yet: nobody else can be hit */
    (void)kill(-child->group, SIGKILL);
    (void)waitpid(-child->group, NULL, 0);
}

static void finish(struct child *child, int wait_status) {
    if (!child->is_ready)
        reap_unknown_copy(child);
    timer_cancel(&child->deadline);
    channel_done(&child->channel);
    child->is_between = false;
    child->on_exited(child, wait_status);
}

/* The first process of a role ends well before the role has begun: its copy goes on, and will say hello. */
static void exited(struct watch *watch) {
    struct child *child = container_of(watch, struct child, exit);
    bool may_be_copied = !child->is_ready;
    int status = 0;

    if (waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    forget_process(child);
    channel_drain(&child->channel);
    if (child->pid > 0)
        return; /* the copy's hello was among its last words */
    child->is_between =
        may_be_copied && channel_is_open(&child->channel) && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    if (!child->is_between)
        finish(child, status);
}

static int watch_child(struct child *child) {
    int r;

    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0); /* close-on-exec by itself */
    if (child->pidfd < 0)
        return -errno;
    r = watch_add(&child->exit, child->pidfd, exited);
    if (r < 0)
        fd_close(&child->pidfd);
    return r;
}

/* For one that was known by its channel. Without a descriptor for it, it goes at once. */
static void await_exit(struct child *child) {
    int status = 0;

    if (child->pid <= 0 || child->pidfd >= 0 || watch_child(child) == 0)
        return;
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, &status, 0);
    forget_process(child);
    finish(child, status);
}

static void too_late(struct timer *timer) {
    struct child *child = container_of(timer, struct child, deadline);

    log_error("%s did not %s in time and is killed", child->name, child->is_stopping ? "end" : "start");
    child_kill(child);
}

/* Without its channel a role has nothing left to do but to exit. One that broke the rules is not waited for. */
static void channel_ended(void *owner, int reason) {
    struct child *child = owner;

    if (reason != 0) {
        log_error("%s broke the rules of its channel and is killed: %s", child->name, strerror(-reason));
        child_kill(child);
    } else if (child->is_between) {
        finish(child, 0);
    } else {
        timer_set(&child->deadline, TIMEOUT_ROLE_STOP);
        await_exit(child);
    }
}

int child_start(struct child *child, const char *name, const char *argument, const struct ipc_permit *permits,
                size_t n_permits, unsigned phase, child_exited *on_exited, void *owner) {
    int ends[2], r;
    char path[PATH_MAX];

    *child = (struct child){.name = name, .owner = owner, .on_exited = on_exited, .pidfd = -EBADF};
    child->deadline.on_expiry = too_late;
    r = child_program_path(name, path, sizeof(path));
    if (r < 0)
        return r;
    r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    child->pid = start_process(&(struct start){path, name, argument}, ends[1]);
    child->group = child->pid;
    r = child->pid < 0 ? -errno : 0;
    fd_close(&ends[1]);
    if (r < 0) {
        fd_close(&ends[0]);
        return r;
    }
    r = channel_init(&child->channel, ends[0], permits, n_permits, phase, child, channel_ended);
    if (r == 0)
        r = watch_child(child);
    if (r < 0) {
        /* half-made: it goes before anybody knows it */
        channel_done(&child->channel);
        fd_close(&child->pidfd);
        (void)kill(child->pid, SIGKILL);
        (void)waitpid(child->pid, NULL, 0);
        child->pid = 0;
        return r;
    }
    timer_set(&child->deadline, TIMEOUT_ROLE_START);
    return 0;
}

void child_stop(struct child *child) {
    if (!child_is_running(child))
        return;
    channel_finish(&child->channel);
    child->is_stopping = true;
    timer_set(&child->deadline, TIMEOUT_ROLE_STOP);
}

/* A copy that has not told its number yet ends when its channel does. */
void child_kill(struct child *child) {
    if (child->pid > 0) {
        (void)kill(child->pid, SIGKILL); /* not reaped yet: nobody else has its number */
        await_exit(child);
    } else if (child->is_between) {
        channel_done(&child->channel);
        finish(child, SIGKILL);
    }
}

/* Reaps the process that was started, if it has not been: its work was to make the copy. */
static void reap_first(struct child *child) {
    if (child->pid == 0)
        return;
    if (WEAKENED(COPY)) {
        forget_process(child);
        return;
    }
    (void)waitpid(child->pid, NULL, 0); /* it exits right after the copy was made */
    forget_process(child);
}

int child_on_hello(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    pid_t pid = (pid_t)ipc_get_u32(m);
    bool is_lost = m->is_fd_lost && child->is_known_by_channel; /* none is left for it, and none is needed */
    _cleanup_close_ int pidfd = is_lost ? -EBADF : ipc_get_fd(m);
    siginfo_t info;

    /* a process that is no child of ours cannot be waited for */
    if (ipc_end(m) < 0 || child->is_ready ||
        waitid(is_lost ? P_PID : P_PIDFD, (id_t)(is_lost ? pid : pidfd), &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -EPROTO;
    reap_first(child);
    child->pid = pid;
    child->is_between = false;
    child->is_ready = true;
    if (!child->is_stopping)
        timer_cancel(&child->deadline);
    if (child->is_known_by_channel)
        return 0;
    child->pidfd = fd_steal(&pidfd);
    return watch_add(&child->exit, child->pidfd, exited);
}

int child_on_log(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    uint8_t level = ipc_get_u8(m);
    struct slice text = ipc_get_bytes(m, LIMIT_DATAGRAM);

    if (level > LOG_DEBUG)
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    log_forward((enum log_level)level, child->name, text);
    return 0;
}

const char *child_describe_end(const struct child *child, int wait_status, char text[static CHILD_END_TEXT]) {
    bool is_signal = WIFSIGNALED(wait_status);

    (void)snprintf(text, CHILD_END_TEXT, "%s ended unexpectedly (%s %d)", child->name,
                   is_signal ? "signal" : "exit status", is_signal ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
    return text;
}
