/*
 * Where a process's own cgroup of the second version lies in the file system, from what the kernel says in
 * /proc/self/cgroup and /proc/self/mountinfo: cgroups(7). Pure: text in, a path out. Used by cgroups.c.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/slice.h"

struct cgroup_place {
    char path[PATH_MAX];
    bool is_root; /* of what is seen from here: a container's, or the machine's */
};

/* 0; -ENOENT: no second version is mounted, or our cgroup is not below what is; -ENAMETOOLONG. */
int cgroup_place_find(struct slice self_cgroup, struct slice mountinfo, struct cgroup_place *ret);
