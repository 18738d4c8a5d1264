/*
 * The relay's side of the pair to the keeper: an upstream (relay/upstream.h) whose exchanges are served by another
 * process. Holds no buffer: what the keeper says stays in the kernel until the client has room for it.
 */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "net/loop.h"
#include "relay/upstream.h"

struct keeper_link {
    struct upstream upstream;
    struct watch watch;
    int fd;
    bool is_accepted; /* the keeper has said that it will serve */
    bool is_active;   /* an exchange is under way */
    bool is_gone;
    struct http_fields fields; /* of the event delivered last */
    /* Of the exchange that was begun last, until it is over: to be told should no keeper tell it. */
    uint32_t number; /* its, on this stream, from 1 */
    char method[LIMIT_METHOD];
    size_t method_n;
    struct buf path;
    /* called once when the keeper has answered: accepted, or (false) not */
    void (*on_answer)(struct keeper_link *link, bool is_accepted);
    /* an exchange under way is about to be given up by our side; may be NULL */
    void (*on_abandon)(struct keeper_link *link, unsigned status, struct slice reason);
};

/* Takes `fd` over even on failure. 0 or -errno. */
int keeper_link_init(struct keeper_link *link, int fd, void (*on_answer)(struct keeper_link *link, bool is_accepted),
                     void (*on_abandon)(struct keeper_link *link, unsigned status, struct slice reason));
void keeper_link_done(struct keeper_link *link);

/* The exchange that was begun last is over: nothing more is to be told of it. */
void keeper_link_forget(struct keeper_link *link);

/* There is no keeper now: every exchange is answered 503. The descriptor is -EBADF. */
void keeper_link_init_gone(struct keeper_link *link);
