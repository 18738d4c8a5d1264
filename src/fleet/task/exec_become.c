#include "fleet/task/exec_become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "proc/signals.h"
#include "sandbox/harden.h"

#define FILES_SOFT 1024 /* what select(2) can count to: more is for who asks for it */
#define NICE 10
#define ASIDE 32 /* descriptors are moved behind this number before they get theirs */

static void say(int complaint, enum exec_step step) {
    const struct exec_complaint words = {.step = (int)step, .error = errno};

    (void)fd_write_all(complaint, &words, sizeof(words));
}

void exec_complain(int complaint, enum exec_step step) {
    say(complaint, step);
    _exit(127);
}

static bool set_limit(__rlimit_resource_t what, uint64_t value) {
    const struct rlimit limit = {(rlim_t)value, (rlim_t)value};

    return setrlimit(what, &limit) == 0;
}

/* The supervisor has raised its own, and this is inherited. */
static bool bound_files(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    limit.rlim_cur = MIN_OF(limit.rlim_max, (rlim_t)FILES_SOFT);
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool bound(const struct exec_bounds *bounds) {
    if (!set_limit(RLIMIT_CORE, 0) || !bound_files())
        return false;
    /* of each process: what it writes to. Address space would be the wrong measure, many reserve more than they use */
    if (bounds->memory > 0 && !set_limit(RLIMIT_DATA, bounds->memory))
        return false;
    return !bounds->is_nice || setpriority(PRIO_PROCESS, 0, NICE) == 0;
}

/* Counted over all processes of a user, and not at all for root (setrlimit(2)); asked of those that come from now on. */
static bool bound_processes(const struct exec_bounds *bounds) {
    return bounds->processes == 0 || getuid() == 0 || set_limit(RLIMIT_NPROC, bounds->processes);
}

/* All of it or nothing: a group or a saved number that stays is a way back. */
static bool become_user(const struct task_user *user) {
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;

    if (user->name[0] == '\0')
        return true;
    if ((geteuid() == 0 || geteuid() != user->uid) && setgroups(user->n_groups, user->groups) < 0)
        return false;
    if (setresgid(user->gid, user->gid, user->gid) < 0 || setresuid(user->uid, user->uid, user->uid) < 0)
        return false;
    if (getresuid(&real, &effective, &saved) < 0 || getresgid(&real_group, &effective_group, &saved_group) < 0)
        return false;
    errno = EPERM;
    return real == user->uid && effective == user->uid && saved == user->uid && real_group == user->gid &&
           effective_group == user->gid && saved_group == user->gid && (user->uid == 0 || setuid(0) < 0);
}

/* Root loses the capabilities with which it could look into our other processes, where it has the means to lose them. */
static bool take_identity(const struct task_user *user) {
    int r;

    if (!become_user(user))
        return false;
    r = harden_drop_workload_capabilities();
    errno = -r;
    return r == 0 || r == -EPERM;
}

/* As the user, so that no directory is entered that they could not enter; and never out of the workspace. */
static bool enter_workdir(int workspace, const char *workdir) {
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = WEAKENED(BENEATH) ? 0 : RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd;

    fd = (int)syscall(SYS_openat2, workspace, workdir[0] ? workdir : ".", &how, sizeof(how));
    return fd >= 0 && fchdir(fd) == 0;
}

/* Aside first, as a descriptor may have the number that another is to get. */
static bool place(int fd, int number) {
    int aside = fcntl(fd, F_DUPFD_CLOEXEC, ASIDE);

    return aside >= 0 && dup2(aside, number) >= 0;
}

static bool place_descriptors(const struct exec_setup *setup) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), next = EXEC_FIRST_FD;
    int lease = setup->lease >= 0 ? fcntl(setup->lease, F_DUPFD_CLOEXEC, ASIDE) : -EBADF;
    int script = setup->script >= 0 ? fcntl(setup->script, F_DUPFD_CLOEXEC, ASIDE) : -EBADF;

    if (null < 0 || (setup->lease >= 0 && lease < 0) || (setup->script >= 0 && script < 0))
        return false;
    if (!place(null, STDIN_FILENO) || !place(setup->outputs[TASK_STDOUT], STDOUT_FILENO) ||
        !place(setup->outputs[TASK_STDERR], STDERR_FILENO))
        return false;
    if (lease >= 0 && dup2(lease, next++) < 0)
        return false;
    if (script >= 0 && dup2(script, next++) < 0)
        return false;
    /* the complaint among them, which must live until then */
    return WEAKENED(CLOSE_RANGE) || close_range((unsigned)next, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static void execute_bash(const struct exec_setup *setup) {
    static const char *const places[] = {"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        (void)execve(places[i], setup->argv, setup->environment);
        if (errno != ENOENT)
            return;
    }
}

void exec_become(const struct exec_setup *setup, pid_t parent, int complaint) {
    say(complaint, STEP_ALIVE);
    /* away from the numbers that are given out */
    complaint = fcntl(complaint, F_DUPFD_CLOEXEC, ASIDE);
    if (complaint < 0)
        _exit(127);
    (void)setsid();
    signals_restore();
    (void)umask(022);
    if (!bound(&setup->bounds))
        exec_complain(complaint, STEP_LIMITS);
    if (!take_identity(setup->user))
        exec_complain(complaint, STEP_USER);
    if (!bound_processes(&setup->bounds))
        exec_complain(complaint, STEP_LIMITS);
    /* becoming somebody has cleared it (prctl(2)) */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(127);
    if (!enter_workdir(setup->workspace, setup->request.workdir.p))
        exec_complain(complaint, STEP_WORKDIR);
    if (!place_descriptors(setup))
        exec_complain(complaint, STEP_DESCRIPTORS);
    execute_bash(setup);
    exec_complain(complaint, STEP_BASH);
}
