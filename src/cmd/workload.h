/*
 * The command of `credfd run`: started as if credfd were not there (its terminal, its signals, its environment, its
 * limits), watched, and its end told. Knows nothing of leases but the descriptors that it hands down.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"
#include "net/loop.h"

struct workload {
    void *owner;
    /* `status` is what credfd exits with: the command's, or 128 and the signal's number. */
    void (*on_exit)(void *owner, int status);
    /* Somebody, no terminal, sent a SIGHUP: the configuration is to be read again. Only while the command runs. */
    void (*on_reload)(void *owner);
    pid_t pid; /* 0 before it is started */
    struct watch signals;
    int signal_fd;
};

/*
 * Takes every signal into the loop; before the command runs, one that would end credfd is told by `on_exit`. 0 or
 * -errno.
 */
int workload_init(struct workload *workload, void *owner, void (*on_exit)(void *owner, int status),
                  void (*on_reload)(void *owner));
void workload_done(struct workload *workload);

/* What the command finds beside what credfd itself was started with. */
struct workload_plan {
    char **argv;
    const int *leases; /* become 3, 4, ... in the command */
    size_t n_leases;
    struct slice environment; /* `NAME=VALUE`, each ended by a NUL */
};

/* 0 or -errno. A command that cannot be executed says so itself and exits with 126 or 127. */
int workload_start(struct workload *workload, const struct workload_plan *plan);
