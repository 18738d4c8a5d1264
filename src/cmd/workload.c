#include "cmd/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "cmd/cmd.h"
#include "sandbox/harden.h"

#define FIRST_LEASE 3 /* docs/protocol.md: 3 upward */

/* What credfd was started with, and the command gets. */
static sigset_t mask_before;
static struct sigaction child_before;

/* ^Z stops the whole group, but credfd blocks the signal: it stops itself so that the shell sees the job stopped. */
static void follow_stop(int stop_signal) {
    if (stop_signal == SIGTSTP || stop_signal == SIGTTIN || stop_signal == SIGTTOU)
        (void)raise(SIGSTOP);
}

static void command_changed(struct workload *workload) {
    int status = 0;

    if (workload->pid <= 0 || waitpid(workload->pid, &status, WNOHANG | WUNTRACED) != workload->pid)
        return;
    if (WIFSTOPPED(status)) {
        follow_stop(WSTOPSIG(status));
        return;
    }
    workload->pid = -1;
    workload->on_exit(workload->owner, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* The terminal signals the whole group, the command among it; what somebody sent to credfd alone is passed on. */
static void pass_on(struct workload *workload, const struct signalfd_siginfo *signal) {
    int number = (int)signal->ssi_signo;

    if (signal->ssi_code == SI_KERNEL && number != SIGHUP)
        return;
    if (number == SIGHUP && signal->ssi_code != SI_KERNEL && workload->pid > 0)
        workload->on_reload(workload->owner);
    else if (workload->pid > 0)
        (void)kill(workload->pid, number);
    else if (workload->pid == 0 && (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT))
        workload->on_exit(workload->owner, 128 + number);
}

static void signals_ready(struct watch *watch) {
    struct workload *workload = container_of(watch, struct workload, signals);
    struct signalfd_siginfo signal;

    while (read(workload->signal_fd, &signal, sizeof(signal)) == sizeof(signal)) {
        if (signal.ssi_signo == SIGCHLD)
            command_changed(workload);
        else
            pass_on(workload, &signal);
    }
}

int workload_init(struct workload *workload, void *owner, void (*on_exit)(void *owner, int status),
                  void (*on_reload)(void *owner)) {
    sigset_t all;
    int r;

    *workload = (struct workload){.owner = owner, .on_exit = on_exit, .on_reload = on_reload, .signal_fd = -EBADF};
    /* ignored, as whoever started us may have left it, it would reap our children without a word (wait(2), NOTES) */
    if (sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, &child_before) < 0)
        return -errno;
    sigfillset(&all);
    /* a fault of our own must end us, not wait */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, SIGTRAP);
    if (sigprocmask(SIG_BLOCK, &all, &mask_before) < 0)
        return -errno;
    workload->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (workload->signal_fd < 0)
        return -errno;
    r = watch_add(&workload->signals, workload->signal_fd, signals_ready);
    if (r < 0)
        fd_close(&workload->signal_fd);
    return r;
}

void workload_done(struct workload *workload) {
    watch_remove(&workload->signals);
    fd_close(&workload->signal_fd);
}

/* Out of the way first: a lease's descriptor may have the number that another is to get. */
static bool place_leases(const int *leases, size_t n) {
    int copies[LIMIT_LEASES];

    for (size_t i = 0; i < n; i++) {
        copies[i] = fcntl(leases[i], F_DUPFD_CLOEXEC, FIRST_LEASE + (int)n);
        if (copies[i] < 0)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        if (dup2(copies[i], FIRST_LEASE + (int)i) < 0)
            return false;
    if (!WEAKENED(CLOSE_RANGE))
        (void)close_range((unsigned)(FIRST_LEASE + (int)n), ~0U, 0);
    return true;
}

static int exec_failure(const char *command, int error) {
    bool is_absent = error == ENOENT || error == ENOTDIR;

    log_error("run: %s: %s", command, is_absent ? "not found" : strerror(error));
    return is_absent ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static bool set_variable(struct slice variable) {
    struct slice name = slice_cut(&variable, '=');
    _cleanup_free_ char *text = strndup(name.p, name.n);

    return text && setenv(text, variable.p, 1) == 0;
}

static bool set_environment(struct slice variables) {
    while (variables.n > 0)
        if (!set_variable(slice_cut(&variables, '\0')))
            return false;
    return true;
}

static void become_command(const struct workload_plan *plan, pid_t parent) {
    /* our end is its end, as the end of whoever it was started by would not be: nobody is left to reap it */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* the end came before the request to share it */
        _exit(EXIT_CREDFD);
    if (!place_leases(plan->leases, plan->n_leases)) {
        log_error("run: no descriptor is left for a lease: %s", strerror(errno));
        _exit(EXIT_CREDFD);
    }
    if (!set_environment(plan->environment)) {
        log_error("run: no memory for the command's environment");
        _exit(EXIT_CREDFD);
    }
    if (harden_drop_workload_capabilities() < 0)
        log_warning(
            "run: the command keeps capabilities with which root can read any process; run credfd as a plain user");
    (void)sigaction(SIGCHLD, &child_before, NULL);
    (void)sigprocmask(SIG_SETMASK, &mask_before, NULL);
    (void)execvp(plan->argv[0], plan->argv);
    _exit(exec_failure(plan->argv[0], errno));
}

int workload_start(struct workload *workload, const struct workload_plan *plan) {
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_command(plan, parent);
    workload->pid = pid;
    return 0;
}
