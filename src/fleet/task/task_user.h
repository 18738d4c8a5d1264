/*
 * Whom a task's command runs as, in numbers: looked up once by the supervisor, so that neither credfd-task nor
 * credfd-exec has to know where users are written down.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct task_user {
    char name[LIMIT_OS_USER + 1]; /* empty: the runner's own, and nothing below counts */
    uint32_t uid, gid;
    uint32_t groups[LIMIT_TASK_GROUPS]; /* supplementary ones, `gid` among them */
    size_t n_groups;
};

/* The supervisor's: asks the system's databases. 0, -ENOENT (nobody is called so), -E2BIG or -errno. */
int task_user_find(const char *name, struct task_user *ret);
