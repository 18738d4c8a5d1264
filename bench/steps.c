/*
 * Counts the instructions that living processes execute in user space, one by one: what bench/instructions counts a
 * whole exchange with. It steps the real roles in their real sandboxes, which an emulator could not enter, and counts
 * what this CPU does, vectorised scans and hardware ciphers included.
 *
 *     steps PID...
 *
 * It takes hold of them and writes the line "ready". For each SIGUSR1 it writes a line of JSON: the instructions of
 * each process so far. With SIGINT it lets go of them and ends. A repeated string instruction is one. It needs the
 * right to trace: roles give it to root alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "client.h"

#define PROCESSES_MAX 16

struct stepped {
    pid_t pid;
    uint64_t n;
    long at; /* the instruction that comes next */
    bool is_ended;
};

static struct stepped all[PROCESSES_MAX];
static size_t n_all;

/* Where it stands; on other CPUs than x86-64 nowhere, for they have no repeated instructions. */
static long place_of(pid_t pid) {
#ifdef __x86_64__
    return ptrace(PTRACE_PEEKUSER, pid, (void *)offsetof(struct user, regs.rip), NULL);
#else
    static long n;

    (void)pid;
    return ++n;
#endif
}

static struct stepped *find(pid_t pid) {
    for (size_t i = 0; i < n_all; i++)
        if (all[i].pid == pid)
            return &all[i];
    return NULL;
}

/* It stopped with `status`: counts a step, and lets it go on, with the signal that it was to get. */
static void take_stop(struct stepped *s, int status) {
    long at;
    int number = 0;

    if (!WIFSTOPPED(status)) {
        s->is_ended = true;
        return;
    }
    if (status >> 8 == SIGTRAP) {
        at = place_of(s->pid);
        s->n += at != s->at;
        s->at = at;
    } else if (status >> 16 == 0) {
        number = WSTOPSIG(status);
    }
    (void)ptrace(PTRACE_SINGLESTEP, s->pid, NULL, (void *)(long)number);
}

static int wait_for(pid_t pid) {
    int status;

    while (waitpid(pid, &status, __WALL) < 0)
        if (errno != EINTR)
            return -errno;
    return status;
}

static void take_hold(struct stepped *s) {
    if (ptrace(PTRACE_SEIZE, s->pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, s->pid, NULL, NULL) < 0)
        client_fail("trace", -errno);
    if (!WIFSTOPPED(wait_for(s->pid)))
        client_fail("trace", -ECHILD);
    s->at = place_of(s->pid);
}

/* A step that is done is a signal, and would end who is not traced any more: it is taken first. */
static bool has_step_waiting(pid_t pid) {
    struct __ptrace_peeksiginfo_args first = {.nr = 1};
    siginfo_t info;

    return ptrace(PTRACE_PEEKSIGINFO, pid, &first, &info) == 1 && info.si_signo == SIGTRAP;
}

static void let_go(struct stepped *s) {
    int status;

    if (s->is_ended || ptrace(PTRACE_INTERRUPT, s->pid, NULL, NULL) < 0)
        return;
    status = wait_for(s->pid);
    if (status >= 0 && status >> 8 != SIGTRAP && has_step_waiting(s->pid)) {
        (void)ptrace(PTRACE_CONT, s->pid, NULL, NULL);
        (void)wait_for(s->pid);
    }
    (void)ptrace(PTRACE_DETACH, s->pid, NULL, NULL);
}

static void print_counts(void) {
    for (size_t i = 0; i < n_all; i++)
        (void)printf("%s\"%d\": %" PRIu64, i == 0 ? "{" : ", ", all[i].pid, all[i].n);
    (void)puts("}");
    client_flush();
}

static void take_stops(void) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
        if (find(pid))
            take_stop(find(pid), status);
}

static void count(const sigset_t *awaited) {
    for (;;) {
        int number = sigwaitinfo(awaited, NULL);

        if (number == SIGINT)
            return;
        if (number == SIGUSR1)
            print_counts();
        take_stops();
    }
}

int main(int argc, char **argv) {
    sigset_t awaited;

    if (argc < 2 || argc > PROCESSES_MAX + 1) {
        (void)fprintf(stderr, "usage: steps PID...\n");
        return 2;
    }
    (void)sigemptyset(&awaited);
    (void)sigaddset(&awaited, SIGCHLD);
    (void)sigaddset(&awaited, SIGINT);
    (void)sigaddset(&awaited, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &awaited, NULL);
    for (int i = 1; i < argc; i++) {
        all[n_all].pid = (pid_t)client_number(argv[i], INT32_MAX);
        take_hold(&all[n_all++]);
    }
    for (size_t i = 0; i < n_all; i++)
        (void)ptrace(PTRACE_SINGLESTEP, all[i].pid, NULL, NULL);
    (void)puts("ready");
    client_flush();
    count(&awaited);
    for (size_t i = 0; i < n_all; i++)
        let_go(&all[i]);
    return 0;
}
