/*
 * What credfd-task has credfd-exec run, and the words between the two. A command and its environment are too large for a
 * datagram: they travel in sealed memory, which may hold a key and goes away with the command's start.
 */
#pragma once

#include <stdint.h>

#include "ipc/message.h"

struct exec_request {
    struct slice command;     /* without a NUL, as the next two */
    struct slice workdir;     /* relative to the workspace; empty: the workspace itself */
    struct slice environment; /* whole: NAME=VALUE, each ended by a NUL */
    size_t n_environment;     /* how many */
};

/* How a command is over. */
enum exec_end {
    EXEC_END_WHOLE, /* nothing of it is left */
    EXEC_END_LEFT,  /* what became another user could not be ended (sudo, where the runner is not root) */
    EXEC_ENDS
};

/* What could not be done, in the order in which it is tried. */
enum exec_step {
    STEP_ALIVE,     /* nothing: it has begun to become the command */
    STEP_NAMESPACE, /* not told to anybody: then it is done without */
    STEP_CGROUP,
    STEP_FORK,
    STEP_LIMITS,
    STEP_USER,
    STEP_WORKDIR,
    STEP_DESCRIPTORS,
    STEP_BASH,
    EXEC_STEPS
};

struct exec_complaint {
    int step; /* enum exec_step */
    int error;
};

/* For the hub: "its working directory". */
const char *exec_step_name(enum exec_step step);

/* A sealed memfd that holds it, the caller's; or -errno. */
int exec_request_seal(const struct exec_request *request);

/*
 * Slices look into `bytes`; every text, and each variable, is followed by a NUL there, so that it can be handed to
 * execve(2) as it stands. 0 or -EBADMSG. How it comes: fleet/sealed.h.
 */
int exec_request_parse(struct slice bytes, struct exec_request *ret);
