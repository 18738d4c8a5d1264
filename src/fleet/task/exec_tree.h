/*
 * All that a command has brought into being, from its first process on: how it is held together, so that all of it can
 * be ended and none of it stays. By what the system can do: a PID namespace, where we are privileged, so that a task
 * sees no process of another; the cgroup that the supervisor gives, within the namespace or without; else our own
 * descendants. In each of them credfd-exec is the subreaper: what is orphaned becomes its child, so that "no child is
 * left" is the proof that nothing is.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "fleet/task/exec_setup.h"

enum exec_mode { EXEC_NAMESPACE, EXEC_CGROUP, EXEC_DESCENDANTS };

struct exec_tree {
    enum exec_mode mode;
    int cgroup;    /* its directory, borrowed; -EBADF without one */
    bool joins;    /* the first process enters the cgroup by itself */
    pid_t first;   /* the command, or the init of its namespace; 0 once it is reaped */
    int status;    /* in a namespace: where the command's wait status comes (fleet/task/exec_init.h) */
    int complaint; /* what exec_become says; ends once the command runs */
};

/* Makes us the subreaper. `cgroup` may be -EBADF. 0 or -errno. */
int exec_tree_init(struct exec_tree *tree, int cgroup);
void exec_tree_done(struct exec_tree *tree);

/* Which bounds each process needs, because nothing bounds all of them. */
struct exec_bounds exec_tree_bounds(const struct exec_tree *tree, const struct task_limits *limits);

/* 0 or -errno. Whether it became the command, `complaint` tells. */
int exec_tree_start(struct exec_tree *tree, const struct exec_setup *setup);

/*
 * Another way, after the command was not born: into the cgroup on foot, or without a namespace (where another than ours was
 * ever ended as a whole, kernels since 6.14 may kill at once what is cloned into it). True when there is one.
 */
bool exec_tree_fall_back(struct exec_tree *tree);

/* SIGTERM to all of it. */
void exec_tree_terminate(const struct exec_tree *tree);

/*
 * SIGKILL to all that is there now; again after KILL_EVERY, while something is left. False when nothing that is left
 * takes a signal of ours.
 */
bool exec_tree_kill(const struct exec_tree *tree);

/*
 * Reaps what has ended. True when nothing is left. Where `first` is among it, it becomes 0 and `*status` is its wait
 * status.
 */
bool exec_tree_reap(struct exec_tree *tree, int *status);
