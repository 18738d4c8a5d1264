/*
 * Asks supervisors over their control sockets, each for a bounded time: the far side of egress/desk/control.h. What comes back
 * is data of the credfd that answered, which may be another version than this. Used by `credfd lease` and `credfd runner
 * status`.
 */
#pragma once

#include "egress/control_codec.h"
#include "egress/desk/control_place.h"

/* One supervisor that is being asked. */
struct control_asked {
    int fd; /* -EBADF before; the asker closes it */
    uint64_t deadline_ms;
};

/* 0; -ECONNREFUSED: it has died; -ENOENT: there is none; -ETIMEDOUT or -errno. */
int control_ask(const struct control_place *place, uint32_t pid, const struct control_request *request,
                struct control_asked *ret);

/* The next of its answers; slices are valid until the next. 0, -ETIMEDOUT, -EPROTO, -ECONNRESET or -errno. */
int control_wait(const struct control_asked *asked, struct control_answer *ret);

/*
 * Calls `ask` for each supervisor of this user and adds nothing of its own: what has died is removed, what `ask` says of
 * another is named in the log, in the name of `command`. 0, or -ENOMEM, which ends it.
 */
int control_ask_each(const char *command, int (*ask)(void *owner, const struct control_place *place, uint32_t pid),
                     void *owner);
