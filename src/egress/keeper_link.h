/*
 * The relay's side of the pair to the keeper: an upstream (relay/upstream.h) whose exchanges are served by another
 * process. Holds no buffer: what the keeper says stays in the kernel until the client has room for it.
 */
#pragma once

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
    /* called once when the keeper has answered: accepted, or (false) not */
    void (*on_answer)(struct keeper_link *link, bool is_accepted);
};

/* Takes `fd` over even on failure. 0 or -errno. */
int keeper_link_init(struct keeper_link *link, int fd, void (*on_answer)(struct keeper_link *link, bool is_accepted));
void keeper_link_done(struct keeper_link *link);
