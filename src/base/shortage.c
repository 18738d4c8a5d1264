#include "base/shortage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* The hard limit, counted in `unit`s: whoever needs more has raised the soft one to it. */
static const char *write_words(char *text, const char *before, __rlimit_resource_t resource, unsigned unit,
                               const char *after) {
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
        (void)snprintf(text, SHORTAGE_TEXT, "%s is unlimited%s", before, after);
    else
        (void)snprintf(text, SHORTAGE_TEXT, "%s is %" PRIu64 "%s", before, (uint64_t)limit.rlim_max / unit, after);
    return text;
}

const char *shortage_of_descriptors(char text[static SHORTAGE_TEXT]) {
    return write_words(text, "no descriptor is left: RLIMIT_NOFILE", RLIMIT_NOFILE, 1,
                       "; raise it (LimitNOFILE= in the unit, or ulimit -n)");
}

const char *shortage_of_locked_memory(char text[static SHORTAGE_TEXT]) {
    return write_words(text, "no more memory may be locked for keys: RLIMIT_MEMLOCK", RLIMIT_MEMLOCK, 1024,
                       " KiB; raise it (LimitMEMLOCK= in the unit, or ulimit -l)");
}

const char *shortage_of_processes(char text[static SHORTAGE_TEXT]) {
    return write_words(text, "no process can be started: RLIMIT_NPROC", RLIMIT_NPROC, 1,
                       "; raise it (ulimit -u), or TasksMax= in the unit, or kernel.pid_max");
}

const char *shortage_explain(int error, char text[static SHORTAGE_TEXT]) {
    if (error == -EMFILE)
        return shortage_of_descriptors(text);
    if (error == -EAGAIN)
        return shortage_of_processes(text);
    (void)snprintf(text, SHORTAGE_TEXT, "%s", strerror(-error));
    return text;
}
