#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/macros.h"
#include "seccomp_bpf.h" /* made by seccomp_lists.c */

#ifdef CREDFD_SECCOMP_TRACE
/* snprintf is not async-signal-safe by the book; this build is for finding a missing call, not for use. */
static void report(int signal, siginfo_t *info, void *context) {
    ucontext_t *machine = context;
    char line[64];
    int n = snprintf(line, sizeof(line), "seccomp: system call %d is not listed\n", info->si_syscall);

    (void)signal;
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        _exit(1);
    machine->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
}

static void trace(void) {
    struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};

    (void)sigaction(SIGSYS, &action, NULL);
}
#else
static void trace(void) {
}
#endif

int seccomp_enter(enum seccomp_list list) {
    const struct {
        unsigned short n;
        const struct sock_filter *list;
    } programs[SECCOMP_LISTS] = {
        [SECCOMP_RELAY] = {ARRAY_LEN(relay_list), relay_list},
        [SECCOMP_KEEPER] = {ARRAY_LEN(keeper_list), keeper_list},
        [SECCOMP_SOURCE] = {ARRAY_LEN(source_list), source_list},
        [SECCOMP_RESOLVER] = {ARRAY_LEN(resolver_list), resolver_list},
        [SECCOMP_EXPORTER] = {ARRAY_LEN(exporter_list), exporter_list},
        [SECCOMP_DISPATCHER] = {ARRAY_LEN(dispatcher_list), dispatcher_list},
        [SECCOMP_PAIRER] = {ARRAY_LEN(pairer_list), pairer_list},
        [SECCOMP_STEWARD] = {ARRAY_LEN(steward_list), steward_list},
        [SECCOMP_VERIFIER] = {ARRAY_LEN(verifier_list), verifier_list},
        [SECCOMP_DOORMAN] = {ARRAY_LEN(doorman_list), doorman_list},
        [SECCOMP_LINK] = {ARRAY_LEN(link_list), link_list},
        [SECCOMP_TASK] = {ARRAY_LEN(task_list), task_list},
        [SECCOMP_PROBE] = {ARRAY_LEN(probe_list), probe_list},
        [SECCOMP_PROXY] = {ARRAY_LEN(proxy_list), proxy_list},
        [SECCOMP_GATE] = {ARRAY_LEN(gate_list), gate_list},
    };

    union {
        const struct sock_filter *given;
        struct sock_filter *taken; /* prctl reads it */
    } filter = {.given = programs[list].list};
    const struct sock_fprog program = {.len = programs[list].n, .filter = filter.taken};

    trace();
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
