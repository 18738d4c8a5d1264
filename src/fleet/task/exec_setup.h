/*
 * What a command is started with, made ready before a process for it is: between clone(2) and execve(2) nothing may ask
 * for memory. Used by credfd-exec.
 */
#pragma once

#include "fleet/operation.h"
#include "fleet/settings.h"
#include "fleet/task/exec_codec.h"
#include "fleet/task/task_user.h"

/* What limits one process where no cgroup limits all of them; 0 is no limit. */
struct exec_bounds {
    uint64_t memory, processes;
    bool is_nice; /* the processor cannot be limited so: others come first */
};

struct exec_setup {
    struct slice bytes; /* the request's memory, which the rest looks into */
    struct exec_request request;
    char **argv, **environment; /* each ended by NULL */
    char evaluation[48];        /* a command that is too large for an argument is read from a descriptor */
    int script;                 /* that descriptor's memory, or -EBADF */
    int workspace;              /* its directory */
    int lease;                  /* -EBADF without one, and as the next, closed once it is started */
    int outputs[TASK_STREAMS];  /* the ends it writes to */
    int readers[TASK_STREAMS];  /* the others, which are not blocked */
    const struct task_user *user;
    struct exec_bounds bounds;
};

/*
 * Takes `request` (sealed memory) and `lease` over, even on failure. 0 or -errno, and `*ret_what` says in few words what
 * failed. exec_setup_done in either case.
 */
int exec_setup_make(struct exec_setup *setup, int request, int lease, const char *workspace, const char **ret_what);
void exec_setup_done(struct exec_setup *setup);

/* The number that the lease has in the command, and behind it the script's. */
#define EXEC_FIRST_FD 3
