#include "egress/door/base_url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "egress/door/farewell.h"
#include "egress/door/lease_stream.h"
#include "egress/door/listener.h"
#include "egress/door/turn_away.h"

struct base_url_door {
    struct listener listener;
    uint32_t number; /* of the lease's door */
    char prefix[LIMIT_PREFIX];
    struct exchange_rules rules;
    const struct connection_timeouts *timeouts;
};

/* Somebody who waits for the supervisor's answer. Nothing is read of him before. */
struct visitor {
    struct base_url_door *door;
    int fd;
};

static void client_gone(void *owner) {
    (void)owner;
    listener_left();
}

/* For a stream that is handed on before it is looked at. */
static void not_yet(struct watch *watch) {
    (void)watch;
}

static void serve(struct base_url_door *door, int fd, const struct call_answer *answer) {
    const struct lease_stream_plan plan = {
        .id = answer->id, .pair = answer->fd, .rules = &door->rules, .timeouts = door->timeouts, .closed = client_gone};
    struct lease_stream *served;
    struct stream client;

    /* on failure an empty stream is handed over: then the stream of the supervisor's ends as any other does */
    (void)stream_init(&client, fd, not_yet);
    if (lease_stream_serve(&plan, &client, SLICE_EMPTY, &served) < 0)
        listener_left();
}

static void refuse(const struct base_url_door *door, int fd, const struct call_answer *answer) {
    const struct problem problem = {.status = answer->status,
                                    .lease = door->rules.lease,
                                    .rule = answer->rule,
                                    .reason = answer->reason,
                                    .hint = answer->hint};
    struct stream client;

    if (stream_init(&client, fd, not_yet) < 0 || farewell_say(&client, &problem, client_gone, NULL) < 0)
        listener_left();
}

static void call_answered_for(void *owner, struct call_answer *answer) {
    struct visitor *visitor = owner;
    struct base_url_door *door = visitor->door;
    int fd = visitor->fd;

    free(visitor);
    if (answer->is_granted)
        serve(door, fd, answer);
    else
        refuse(door, fd, answer);
}

static void client_came(struct listener *listener, int fd_given, const struct caller *caller) {
    struct base_url_door *door = container_of(listener, struct base_url_door, listener);
    static const struct call_answer busy = {
        .status = 503, .reason = SLICE("too many connect at once; try again"), .fd = -EBADF};
    _cleanup_close_ _unused_ int pidfd = caller->pidfd;
    _cleanup_close_ int fd = fd_given;
    _cleanup_free_ struct visitor *visitor = malloc(sizeof(*visitor));

    if (!visitor) {
        listener_left();
        return;
    }
    *visitor = (struct visitor){.door = door, .fd = fd};
    if (!call_lease(door->number, caller, call_answered_for, visitor)) {
        turn_away_tell(caller, &(struct turned_away){.why = AWAY_BUSY,
                                                     .door = door->number,
                                                     .status = busy.status,
                                                     .method = SLICE_EMPTY,
                                                     .authority = SLICE_EMPTY,
                                                     .path = SLICE_EMPTY,
                                                     .reason = busy.reason});
        refuse(door, fd_steal(&fd), &busy);
        return;
    }
    (void)fd_steal(&fd);
    (void)steal_pointer(&visitor);
}

int base_url_open(uint32_t number, enum door_kind kind, int fd, struct slice prefix, const struct exchange_rules *rules,
                  const struct connection_timeouts *timeouts) {
    struct base_url_door *door = prefix.n <= LIMIT_PREFIX ? calloc(1, sizeof(*door)) : NULL;
    int r;

    if (!door) {
        fd_close(&fd);
        return prefix.n <= LIMIT_PREFIX ? -ENOMEM : -EPROTO;
    }
    door->number = number;
    door->rules = *rules;
    if (prefix.n > 0)
        memcpy(door->prefix, prefix.p, prefix.n);
    door->rules.prefix = slice_of(door->prefix, prefix.n);
    door->timeouts = timeouts;
    r = listener_init(&door->listener, fd, kind, client_came, NULL);
    if (r < 0)
        free(door);
    return r;
}
