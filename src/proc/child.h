/*
 * One of our own processes, from the outside: started afresh (clone and exec, an empty environment, nothing inherited
 * but its channel), watched, and ended. Knows no role's work.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"
#include "proc/channel.h"

struct child;

/* The process has exited and was reaped; its channel is closed. `child` may be started again or freed. */
typedef void child_exited(struct child *child, int wait_status);

struct child {
    const char *name; /* of its program */
    void *owner;
    struct channel channel; /* its handlers' owner is this struct child */
    child_exited *on_exited;
    struct watch exit;
    struct timer deadline;
    /*
     * First of the process that was started; since its hello, of the copy in which the role goes on (role.c). In
     * between the first has exited and the copy is only known by its channel: then `pid` is 0 and `is_between` true.
     */
    pid_t pid;
    int pidfd;   /* -EBADF while it is known by its channel */
    pid_t group; /* of processes: the first one's number, and the copy's group too */
    bool is_between;
    /*
     * Set by who has started it: a descriptor less while it runs, for there may be thousands. The end of its channel
     * tells of its exit, so it must be a program that hands its channel to nobody. Until it is reaped its number is its
     * own.
     */
    bool is_known_by_channel;
    bool is_ready; /* it said hello: hardened, and listening */
    bool is_stopping;
};

/*
 * Where role programs lie, found once from this program's own place: its libexec directory when installed, its own
 * directory in a build tree. Takes two descriptors for good, by which a start costs the same however many there are: so
 * it is called before there are many. 0, -ENOENT or -errno.
 */
int child_find_programs(void);

/* The full path of a role's program, for `credfd doctor`. -ENAMETOOLONG */
int child_program_path(const char *name, char *path, size_t size);

/*
 * Starts the program `name` (a literal) with one `argument`, or none (NULL). `permits` handles what it says;
 * child_on_hello and child_on_log belong into every such table. 0 or -errno; when the exec fails, the process exits
 * with status 127 a little later.
 */
int child_start(struct child *child, const char *name, const char *argument, const struct ipc_permit *permits,
                size_t n_permits, unsigned phase, child_exited *on_exited, void *owner);

/*
 * Ends what is said to it, which every role takes as its own end; its last words are still heard. It is killed when it
 * is not gone in TIMEOUT_ROLE_STOP.
 */
void child_stop(struct child *child);

/* Ends it now. It is reaped on the loop like any other. */
void child_kill(struct child *child);

#define CHILD_END_TEXT 96

/* For a person, of an end that nobody asked for: "credfd-keeper ended unexpectedly (signal 11)". Returns `text`. */
const char *child_describe_end(const struct child *child, int wait_status, char text[static CHILD_END_TEXT]);

static inline bool child_is_running(const struct child *child) {
    return child->pid > 0 || child->is_between;
}

int child_on_hello(void *owner, struct ipc_message *m);
int child_on_log(void *owner, struct ipc_message *m);
