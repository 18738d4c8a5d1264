/*
 * The start of one of our own processes, from the inside: the same order for every role, on one screen, in role.c.
 * When it is done the process can reach its channel and what comes over it, and nothing else. Knows no role's work.
 */
#pragma once

#include "proc/channel.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

/* The descriptor that every role is started with: its channel to the supervisor. */
#define ROLE_CHANNEL 3

struct role {
    const char *name; /* of its program, "credfd-keeper": starts its lines in the log */
    enum seccomp_list seccomp;
    struct landlock_want landlock;
    const struct ipc_permit *permits; /* what the supervisor may say */
    size_t n_permits;
    unsigned phase;       /* the first */
    int (*prepare)(void); /* what must be done before the sandbox closes; may be NULL. 0 or -errno */
    /*
     * Not NULL: it outlives its supervisor, to end its work. Is called once the channel has ended, and the loop goes on;
     * the signals with which a service is ended do not reach it.
     */
    void (*on_orphaned)(void);
    /*
     * It becomes a stranger's program, which may need whatever the supervisor may do (sudo): nobody can look into it, and
     * that is all; no sandbox, and capabilities stay. It parses nothing but frames of ours.
     */
    bool is_plain;
};

/* Runs the role until its channel ends. The exit status of the process. */
int role_main(const struct role *role);

/* The channel to the supervisor, for sending and for changing its phase. */
struct channel *role_channel(void);

/*
 * Sends to the supervisor what ipc_begin and ipc_put_ have put together. A role that cannot is of no use: it ends, unless
 * it has on_orphaned.
 */
void role_send(const struct ipc_writer *w, int fd);

/*
 * The same for what can wait: 0, or -EAGAIN when the supervisor is busy and has not heard what was sent before. It is
 * the caller's then, to be sent later. Nobody waits.
 */
int role_offer(const struct ipc_writer *w);
