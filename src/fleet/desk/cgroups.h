/*
 * A cgroup for each task, where the system has given us a part of its tree (systemd's Delegate=, a container): what
 * stands in one is limited together and ended together, whatever it has become. Where nothing was given there is none,
 * and tasks have their own means (fleet/task). Only ever touches what lies below its own directory. Used by the desk.
 */
#pragma once

#include <stdbool.h>

#include "fleet/settings.h"
#include "net/loop.h"

struct cgroups {
    int own;       /* our own cgroup, or -EBADF: there are none */
    int parent;    /* in it, the one in which each task has one */
    char name[48]; /* of `parent` */
    bool has_memory, has_cpu, has_processes;
    uint64_t *left; /* numbers of those that could not be removed yet */
    size_t n_left, room;
    struct timer again;
};

/*
 * Looks whether there is a place, and ends and removes what a runner on the same spool (its directory) has left there.
 * Says in one line what there is. Never fails: without a place there are none. Before any other process is started.
 */
void cgroups_start(struct cgroups *cgroups, int spool);

/*
 * Makes one, of a number that never was one before. Its directory, the caller's; -EBADF where there are none; or
 * -errno: it cannot be limited.
 */
int cgroups_make(struct cgroups *cgroups, uint64_t number, const struct task_limits *limits);

/* Ends whatever is in it, at once. Harmless where there is none. */
void cgroups_kill(struct cgroups *cgroups, uint64_t number);

/* The same, and removes it, now or as soon as the kernel lets it go. */
void cgroups_remove(struct cgroups *cgroups, uint64_t number);

/* Removes what can be removed. */
void cgroups_stop(struct cgroups *cgroups);
