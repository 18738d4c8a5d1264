#include "cmd/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "cmd/workload.h"
#include "sandbox/landlock.h"

/* By making one and ending it: what is said of the kernel is what happens. */
static int make(enum isolation level, char **ret_error) {
    const struct workload_isolation isolation = {.wanted = level};
    struct workload workload = {.line = -EBADF, .signal_fd = -EBADF};
    struct workload_place place;
    int r = workload_prepare(&workload, &isolation, 1, &place, ret_error);

    if (r < 0)
        return r;
    fd_close(&place.listeners[0]);
    fd_close(&place.diag);
    workload_give_up(&workload);
    return 0;
}

/* The reason, without the advice that follows in `run`. */
static const char *reason_in(char *error) {
    char *reason = strstr(error, "; without it ");

    if (reason)
        *reason = '\0';
    reason = strstr(error, "--isolate ");
    reason = reason ? strstr(reason, ": ") : NULL;
    return reason ? reason + 2 : error;
}

static void look(enum isolation level, const char *good, const char *lost, struct finding *ret) {
    _cleanup_free_ char *error = NULL;

    if (make(level, &error) == 0)
        finding_set(ret, FINDING_OK, "%s", good);
    else
        finding_set(ret, FINDING_WEAKER, "not here: %.300s; %s", error ? reason_in(error) : "out of memory", lost);
}

/* Without scopes a signal is a way out: a debugger or a JVM of the same user's can be made to listen by one. */
static void network(struct finding *ret) {
    look(ISOLATION_NETWORK, "a command can have a network with nothing in it but its doors",
         "a command with doors needs --isolate none, and can pass them by", ret);
    if (ret->verdict == FINDING_OK && landlock_abi() < LANDLOCK_ABI_SCOPES)
        finding_set(ret, FINDING_WEAKER,
                    "a command can have a network with nothing in it but its doors, and can send signals to every "
                    "process of its user; Linux 6.12 with Landlock ends that, or --isolate full");
}

static void full(struct finding *ret) {
    look(ISOLATION_FULL,
         landlock_abi() > 0 ? "a command can have processes and files of its own, behind Landlock too"
                            : "a command can have processes and files of its own",
         "a command sees what its user sees", ret);
}

const struct probe doctor_isolation_probes[] = {
    {"isolate network", network},
    {"isolate full", full},
    {NULL, NULL},
};
