/*
 * One command, from the moment it is to be started until nothing of it is left. Decides how it is ended: politely first,
 * where there is time, then not. Knows nobody who could want that. Used by credfd-exec.
 */
#pragma once

#include "fleet/task/exec_tree.h"
#include "net/loop.h"

enum run_wait {
    WAIT_REQUEST, /* for something to run */
    WAIT_START,   /* for its process to be the command */
    WAIT_EXIT,    /* for the command to end */
    WAIT_REST,    /* for what it has left running: `>(tee file)` outlives the shell by a moment */
    WAIT_TERM,    /* for all of it to end, politely */
    WAIT_KILL,    /* for all of it to end */
    WAIT_CLOSE,   /* for nothing any more */
    RUN_WAITS
};

struct exec_run;

/* Each of the last two is the last word: nothing is called after it. */
struct exec_listener {
    void (*begun)(struct exec_run *run); /* its readers may be taken from `setup` */
    void (*failed)(struct exec_run *run, int error, const char *what);
    void (*ended)(struct exec_run *run, enum exec_end end);
};

struct exec_run {
    enum run_wait wait;
    const struct exec_listener *listener;
    struct exec_setup setup; /* the caller's to make, before exec_run_start */
    struct exec_tree tree;
    int wait_status; /* of the command, once it is over */
    bool is_over;
    bool was_ended; /* before it was over */
    bool is_alive;  /* its process has said a word */
    int signal_fd;
    struct watch children, complaint, status;
    struct timer deadline;
    uint64_t kill_until_ms;
};

/* Before anything is started, so that no end is missed. 0 or -errno. */
int exec_run_init(struct exec_run *run, const struct exec_listener *listener);

/* What comes of it, the listener hears. */
void exec_run_start(struct exec_run *run);

static inline bool exec_run_is_started(const struct exec_run *run) {
    return run->wait != WAIT_REQUEST;
}

/*
 * Ends all of it, once it is started: SIGKILL `term_ms` after SIGTERM, or at once with 0. What was begun in this way only
 * becomes faster.
 */
void exec_run_end(struct exec_run *run, uint64_t term_ms);
