/*
 * The last steps of a process that becomes the command. For cmd/workload*.c alone.
 */
#pragma once

#include <signal.h>

#include "cmd/workload.h"

/* What credfd was started with, and the command gets back: workload_init fills it in. */
struct workload_before {
    sigset_t mask;
    struct sigaction child;
};
extern struct workload_before workload_before;

/* The command's own words and descriptors, its rights laid down, its signals as they were. Never returns. */
_Noreturn void workload_become(const struct workload_plan *plan, bool is_full);

/*
 * On 127.0.0.1 of this process's network; and a netlink socket to ask who connects there. 0 or -errno: `fds` and
 * `*ret_diag` are the caller's, or closed again.
 */
int workload_listen(size_t n, int *fds, int *ret_diag);
