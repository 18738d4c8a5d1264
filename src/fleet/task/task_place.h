/*
 * What credfd-task must know before it hardens itself, in its one argument: the only two directories that its sandbox
 * leaves open, and whom it runs as. The supervisor writes it (for child_start), credfd-task reads it. No secret.
 *
 * With a user of their own tasks do their work on files as that user. The spool stays the runner's: credfd-task, and
 * nothing that a task starts, keeps the runner's group for it, and the supervisor lets that group write there (0770).
 */
#pragma once

#include "base/slice.h"
#include "fleet/task/task_user.h"

struct task_place {
    struct slice workspace, spool; /* absolute; of a parsed one they look into the text */
    uint32_t uid, gid;
    uint32_t groups[LIMIT_TASK_GROUPS + 1]; /* the last may be the runner's own, for the spool */
    size_t n_groups;
    bool has_user; /* the numbers count */
};

/*
 * The text, NULL for want of memory or for a path with a newline; the caller's. `user` may be the runner's own (no
 * name); `spool_group` is that of the spool's directory.
 */
char *task_place_format(const char *workspace, const char *spool, const struct task_user *user, uint32_t spool_group);

/* 0 or -EINVAL. */
int task_place_parse(struct slice text, struct task_place *ret);
