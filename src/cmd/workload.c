#include "cmd/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/macros.h"
#include "cmd/cmd.h"
#include "cmd/workload_become.h"
#include "cmd/workload_line.h"
#include "proc/orphans.h"
#include "sandbox/view.h"

#define PLAN_MAX (8 * 1024 * 1024) /* more than execve(2) takes of words and environment */

/* ^Z stops the whole group, but credfd blocks the signal: it stops itself so that the shell sees the job stopped. */
static void follow_stop(int stop_signal) {
    if (stop_signal == SIGTSTP || stop_signal == SIGTTIN || stop_signal == SIGTTOU)
        (void)raise(SIGSTOP);
}

static void command_changed(struct workload *workload) {
    int status = 0;

    if (workload->pid <= 0 || workload->is_waiting ||
        waitpid(workload->pid, &status, WNOHANG | WUNTRACED) != workload->pid)
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
    bool is_running = workload->pid > 0 && !workload->is_waiting, is_over = workload->pid < 0;
    int number = (int)signal->ssi_signo;

    if (signal->ssi_code == SI_KERNEL && number != SIGHUP)
        return;
    if (number == SIGHUP && signal->ssi_code != SI_KERNEL && is_running)
        workload->on_reload(workload->owner);
    else if (is_running)
        (void)kill(workload->pid, number);
    else if (!is_over && (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT))
        workload->on_exit(workload->owner, 128 + number);
}

static void signals_ready(struct watch *watch) {
    struct workload *workload = container_of(watch, struct workload, signals);
    struct signalfd_siginfo signal;

    while (read(workload->signal_fd, &signal, sizeof(signal)) == sizeof(signal)) {
        if (signal.ssi_signo == SIGCHLD) {
            command_changed(workload);
            orphans_look();
        } else {
            pass_on(workload, &signal);
        }
    }
}

int workload_init(struct workload *workload, void *owner, void (*on_exit)(void *owner, int status),
                  void (*on_reload)(void *owner)) {
    sigset_t all;
    int r;

    *workload = (struct workload){
        .owner = owner, .on_exit = on_exit, .on_reload = on_reload, .line = -EBADF, .signal_fd = -EBADF};
    /* ignored, as whoever started us may have left it, it would reap our children without a word (wait(2), NOTES) */
    if (sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, &workload_before.child) < 0)
        return -errno;
    sigfillset(&all);
    /* a fault of our own must end us, not wait */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, SIGTRAP);
    if (sigprocmask(SIG_BLOCK, &all, &workload_before.mask) < 0)
        return -errno;
    workload->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (workload->signal_fd < 0)
        return -errno;
    r = watch_add(&workload->signals, workload->signal_fd, signals_ready);
    if (r < 0)
        fd_close(&workload->signal_fd);
    return r;
}

void workload_give_up(struct workload *workload) {
    if (workload->is_waiting) {
        (void)kill(workload->pid, SIGKILL);
        while (waitpid(workload->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        workload->pid = 0;
        workload->is_waiting = false;
    }
    watch_remove(&workload->told);
    fd_close(&workload->line);
}

void workload_done(struct workload *workload) {
    workload_give_up(workload);
    watch_remove(&workload->signals);
    fd_close(&workload->signal_fd);
}

static void become_command(const struct workload_plan *plan, pid_t parent) {
    /* our end is its end, as the end of whoever it was started by would not be: nobody is left to reap it */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* the end came before the request to share it */
        _exit(EXIT_CREDFD);
    workload_become(plan, false);
}

static int start_afresh(struct workload *workload, const struct workload_plan *plan) {
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_command(plan, parent);
    workload->pid = pid;
    return 0;
}

/* What credfd was started with, but for what leads to agents, then what the plan says. */
static int gather_environment(const struct workload_plan *plan, struct buf *to) {
    int r = 0;

    for (char **variable = environ; r == 0 && variable && *variable; variable++)
        if (!view_hides_variable(*variable, strcspn(*variable, "=")))
            r = buf_append(to, slice_of(*variable, strlen(*variable) + 1));
    return r == 0 ? buf_append(to, plan->environment) : r;
}

static int gather_words(const struct workload_plan *plan, struct buf *to) {
    int r = 0;

    for (char **word = plan->argv; r == 0 && *word; word++)
        r = buf_append(to, slice_of(*word, strlen(*word) + 1));
    return r;
}

static int send_plan(int line, const struct workload_plan *plan) {
    struct line_message begin = {.kind = LINE_BEGIN, .n_fds = plan->n_leases};
    struct buf words, environment;
    int r;

    if (plan->bundle && (size_t)snprintf(begin.text, sizeof(begin.text), "%s", plan->bundle) >= sizeof(begin.text))
        return -ENAMETOOLONG;
    buf_init(&words, PLAN_MAX);
    buf_init(&environment, PLAN_MAX);
    memcpy(begin.fds, plan->leases, plan->n_leases * sizeof(int));
    r = gather_words(plan, &words);
    if (r == 0)
        r = gather_environment(plan, &environment);
    begin.sizes[0] = buf_length(&words);
    begin.sizes[1] = buf_length(&environment);
    if (r == 0)
        r = line_send(line, &begin);
    if (r == 0)
        r = line_send_bytes(line, buf_slice(&words));
    if (r == 0)
        r = line_send_bytes(line, buf_slice(&environment));
    buf_release(&words);
    buf_release(&environment);
    return r;
}

/* The first process of a namespace cannot stop itself; it says when the command has stopped. */
static void first_process_told(struct watch *watch) {
    struct workload *workload = container_of(watch, struct workload, told);
    unsigned char stop;
    ssize_t n;

    while ((n = recv(workload->line, &stop, 1, MSG_DONTWAIT)) == 1)
        follow_stop(stop);
    if (n == 0 || errno != EAGAIN) {
        watch_remove(&workload->told);
        fd_close(&workload->line);
    }
}

static int start_prepared(struct workload *workload, const struct workload_plan *plan) {
    int r = send_plan(workload->line, plan);

    if (r == 0)
        r = watch_add(&workload->told, workload->line, first_process_told);
    if (r == 0)
        workload->is_waiting = false;
    else
        workload_give_up(workload);
    return r;
}

int workload_start(struct workload *workload, const struct workload_plan *plan) {
    return workload->is_waiting ? start_prepared(workload, plan) : start_afresh(workload, plan);
}
