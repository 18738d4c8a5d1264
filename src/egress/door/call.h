/*
 * A call: somebody has connected to one of the relay's listeners, and the supervisor is asked for what he needs, a
 * stream of a lease or a way to another host. One table for the relay, of LIMIT_CALLS. The supervisor finds out who it
 * is, by the kernel's word, and whether he belongs to the command. Part of the relay; reads no byte of a stranger's.
 */
#pragma once

#include <sys/types.h>

#include "base/slice.h"
#include "ipc/message.h"

/* What the relay knows of who has connected. */
struct caller {
    uint16_t port_from, port_to; /* of TCP; both 0 for a unix socket */
    pid_t pid;                   /* of a unix socket; else 0 */
    int pidfd;                   /* likewise, where the kernel has it; else -EBADF. The caller's owner keeps it */
};

struct call_answer {
    bool is_granted;
    /* where it is: */
    uint64_t id; /* of the stream, or of the way */
    int fd; /* the pair to the keeper, or the connected socket: the callee's. -EBADF: a stream while there is no keeper */
    /* where it is not; valid during the call: */
    unsigned status;
    struct slice rule, reason, hint;
};

struct call;

/* Called once, from the loop, unless call_cancel comes first; the call is gone. */
typedef void call_answered(void *owner, struct call_answer *answer);

/* A stream of the lease with that door. NULL: too many wait, or no memory. */
struct call *call_lease(uint32_t door, const struct caller *caller, call_answered *answered, void *owner);

/* A way to a host that no lease is for. `is_plain`: it is to carry HTTP, and not TLS. As call_lease. */
struct call *call_way(struct slice host, uint16_t port, bool is_plain, const struct caller *caller,
                      call_answered *answered, void *owner);

/* Whether so few wait that one more who connects may be accepted; `on_room` is called when that has come true again. */
bool call_has_room(void);
void call_set_on_room(void (*on_room)(void));

/* Nobody waits any more: what comes is closed and told as ended. NULL is fine. */
void call_cancel(struct call *call);

/* The relay's permits for the answers. 0 or -EPROTO. */
int call_take_stream(void *owner, struct ipc_message *m);
int call_take_refusal(void *owner, struct ipc_message *m);
int call_take_way(void *owner, struct ipc_message *m);
