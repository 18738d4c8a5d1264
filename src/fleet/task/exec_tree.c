#include "fleet/task/exec_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "fleet/task/exec_become.h"
#include "fleet/task/exec_descendants.h"
#include "fleet/task/exec_init.h"

int exec_tree_init(struct exec_tree *tree, int cgroup) {
    *tree = (struct exec_tree){.mode = WEAKENED(TREE) ? EXEC_DESCENDANTS : EXEC_NAMESPACE,
                               .cgroup = cgroup,
                               .status = -EBADF,
                               .complaint = -EBADF};
    return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0;
}

void exec_tree_done(struct exec_tree *tree) {
    fd_close(&tree->status);
    fd_close(&tree->complaint);
}

/* A controller that is on shows its files. */
static bool is_bounded_by(const struct exec_tree *tree, const char *file) {
    return tree->cgroup >= 0 && faccessat(tree->cgroup, file, F_OK, 0) == 0;
}

struct exec_bounds exec_tree_bounds(const struct exec_tree *tree, const struct task_limits *limits) {
    return (struct exec_bounds){
        .memory = is_bounded_by(tree, "memory.max") ? 0 : limits->memory,
        .processes = is_bounded_by(tree, "pids.max") ? 0 : limits->processes,
        .is_nice = limits->cpu_milli > 0 && !is_bounded_by(tree, "cpu.max"),
    };
}

/* A descriptor for reading that is not blocked, and one for writing. */
static int open_pipe(int *ret_reader, int *ret_writer) {
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ret_reader = ends[0];
    *ret_writer = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* As fork(2); the child is in the cgroup, or the namespace, from its first instruction on. */
static pid_t make_first(const struct exec_tree *tree) {
    struct clone_args how = {.exit_signal = SIGCHLD};

    if (tree->mode == EXEC_NAMESPACE)
        how.flags = CLONE_NEWPID | CLONE_NEWNS;
    if (tree->cgroup >= 0 && !tree->joins) {
        how.flags |= CLONE_INTO_CGROUP;
        how.cgroup = (unsigned)tree->cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &how, sizeof(how));
}

static void join(int cgroup, int complaint) {
    int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "0", 1) != 1)
        exec_complain(complaint, STEP_CGROUP);
}

_Noreturn static void begin(const struct exec_tree *tree, const struct exec_setup *setup, pid_t parent, int pidfd,
                            int complaint, int status) {
    if (tree->joins)
        join(tree->cgroup, complaint);
    if (tree->mode == EXEC_NAMESPACE)
        exec_init(setup, pidfd, complaint, status);
    exec_become(setup, parent, complaint);
}

int exec_tree_start(struct exec_tree *tree, const struct exec_setup *setup) {
    _cleanup_close_ int complaint = -EBADF, status = -EBADF, self = -EBADF;
    pid_t parent = getpid(), pid;
    int r;

    exec_tree_done(tree);
    r = open_pipe(&tree->complaint, &complaint);
    if (r == 0)
        r = open_pipe(&tree->status, &status);
    if (r < 0)
        return r;
    self = (int)syscall(SYS_pidfd_open, parent, 0);
    if (self < 0)
        return -errno;
    pid = make_first(tree);
    if (pid == 0)
        begin(tree, setup, parent, self, complaint, status);
    if (pid < 0 && exec_tree_fall_back(tree))
        return exec_tree_start(tree, setup);
    if (pid < 0)
        return -errno;
    tree->first = pid;
    return 0;
}

bool exec_tree_fall_back(struct exec_tree *tree) {
    if (tree->cgroup >= 0 && !tree->joins)
        return tree->joins = true;
    if (tree->mode != EXEC_NAMESPACE)
        return false;
    tree->mode = tree->cgroup >= 0 ? EXEC_CGROUP : EXEC_DESCENDANTS;
    tree->joins = false;
    return true;
}

void exec_tree_terminate(const struct exec_tree *tree) {
    size_t reached;

    if (tree->mode == EXEC_NAMESPACE || WEAKENED(TREE)) {
        if (tree->first > 0)
            (void)kill(tree->first, SIGTERM); /* our child, not reaped: the number is its */
        return;
    }
    (void)descendants_signal(SIGTERM, &reached);
    (void)descendants_signal(SIGCONT, &reached);
}

static bool kill_cgroup(int cgroup) {
    _cleanup_close_ int fd = openat(cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);

    return fd >= 0 && fd_write_all(fd, "1", 1) == 0;
}

bool exec_tree_kill(const struct exec_tree *tree) {
    bool is_reached = tree->cgroup >= 0 && !WEAKENED(TREE) && kill_cgroup(tree->cgroup);

    if (tree->mode == EXEC_NAMESPACE || WEAKENED(TREE))
        return (tree->first > 0 && kill(tree->first, SIGKILL) == 0) || is_reached;
    /* who has left the cgroup has not left the family */
    return descendants_kill() > 0 || is_reached;
}

bool exec_tree_reap(struct exec_tree *tree, int *status) {
    for (;;) {
        int ended;
        pid_t pid = waitpid(-1, &ended, WNOHANG);

        if (pid == 0)
            return false;
        if (pid < 0)
            return errno != EINTR;
        if (pid == tree->first) {
            tree->first = 0;
            *status = ended;
        }
    }
}
