/*
 * The command of `credfd run`: started as if credfd were not there (its terminal, its signals, its environment, its
 * limits), watched, and its end told. Knows nothing of leases but the descriptors that it hands down.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/limits.h"
#include "base/slice.h"
#include "net/loop.h"

struct workload {
    void *owner;
    /* `status` is what credfd exits with: the command's, or 128 and the signal's number. */
    void (*on_exit)(void *owner, int status);
    /* Somebody, no terminal, sent a SIGHUP: the configuration is to be read again. Only while the command runs. */
    void (*on_reload)(void *owner);
    pid_t pid;         /* 0 before there is a process */
    bool is_waiting;   /* it is there, and not yet the command: between workload_prepare and workload_start */
    int line;          /* to it until it is the command; to its first process for as long as that lives. Else -EBADF */
    struct watch told; /* what that process says of stops */
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

/* How much of the machine the command sees. */
enum isolation {
    ISOLATION_NONE,    /* all of it */
    ISOLATION_NETWORK, /* a network with nothing in it but the doors; sockets of others are covered */
    ISOLATION_FULL,    /* and processes and files of its own: the system to read, its directory to write, no home */
};

struct workload_isolation {
    enum isolation wanted;
    bool is_best;                /* less will do, where the kernel or this user cannot */
    const char *const *readable; /* of ISOLATION_FULL: further paths */
    const char *const *writable;
    size_t n_readable, n_writable;
    const char *const *hidden; /* of both: files with keys, and directories that the command is not to see */
    size_t n_hidden;
    const char *const *kept; /* likewise: files that can be read, and neither written to nor replaced */
    size_t n_kept;
    const char *doors; /* the directory of the doors' files: seen wherever the command looks; NULL for none */
};

/* Where the command is going to live. */
struct workload_place {
    enum isolation isolation;        /* in force */
    int listeners[LIMIT_LEASES + 1]; /* on 127.0.0.1 there */
    uint16_t ports[LIMIT_LEASES + 1];
    int diag; /* egress/desk/caller.h; -EBADF where there are no listeners */
};

/*
 * Makes it, with `n_listeners` listening in it, in a process that waits to become the command; the loop stands still
 * meanwhile, TIMEOUT_NAMESPACE at most. Before workload_start. 0 with `*ret`'s descriptors the caller's; or -errno with
 * `*ret_error`, one line for a person, freed by the caller: why it cannot be, what would be lost, and the mend. With
 * `is_best` what is lost is told in the log.
 */
int workload_prepare(struct workload *workload, const struct workload_isolation *isolation, size_t n_listeners,
                     struct workload_place *ret, char **ret_error);

/* Ends what was prepared and has not become the command: what it made is the caller's to close. */
void workload_give_up(struct workload *workload);

/* What the command finds beside what credfd itself was started with. */
struct workload_plan {
    char **argv;
    const int *leases; /* become 3, 4, ... in the command */
    size_t n_leases;
    struct slice environment; /* `NAME=VALUE`, each ended by a NUL */
    const char *bundle;       /* certificates that stand where the system's do, in mounts of its own; NULL for none */
};

/* 0 or -errno. A command that cannot be executed says so itself and exits with 126 or 127. */
int workload_start(struct workload *workload, const struct workload_plan *plan);
