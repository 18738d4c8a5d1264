#include "base/shortage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* The hard one: whoever needs more has raised the soft one to it. */
static void write_limit(__rlimit_resource_t resource, unsigned unit, char *text, size_t size) {
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
        (void)snprintf(text, size, "unlimited");
    else
        (void)snprintf(text, size, "%" PRIu64, (uint64_t)limit.rlim_max / unit);
}

const char *shortage_of_descriptors(char text[static SHORTAGE_TEXT]) {
    char limit[32];

    write_limit(RLIMIT_NOFILE, 1, limit, sizeof(limit));
    (void)snprintf(text, SHORTAGE_TEXT,
                   "no descriptor is left: RLIMIT_NOFILE is %s; raise it (LimitNOFILE= in the unit, or ulimit -n)",
                   limit);
    return text;
}

const char *shortage_of_locked_memory(char text[static SHORTAGE_TEXT]) {
    char limit[32];

    write_limit(RLIMIT_MEMLOCK, 1024, limit, sizeof(limit));
    (void)snprintf(
        text, SHORTAGE_TEXT,
        "no more memory may be locked for keys: RLIMIT_MEMLOCK is %s KiB; raise it (LimitMEMLOCK= in the unit, "
        "or ulimit -l)",
        limit);
    return text;
}

const char *shortage_of_processes(char text[static SHORTAGE_TEXT]) {
    char limit[32];

    write_limit(RLIMIT_NPROC, 1, limit, sizeof(limit));
    (void)snprintf(text, SHORTAGE_TEXT,
                   "no process can be started: RLIMIT_NPROC is %s; raise it (ulimit -u), or TasksMax= in the unit, or "
                   "kernel.pid_max",
                   limit);
    return text;
}

const char *shortage_explain(int error, char text[static SHORTAGE_TEXT]) {
    if (error == -EMFILE)
        return shortage_of_descriptors(text);
    if (error == -EAGAIN)
        return shortage_of_processes(text);
    (void)snprintf(text, SHORTAGE_TEXT, "%s", strerror(-error));
    return text;
}
