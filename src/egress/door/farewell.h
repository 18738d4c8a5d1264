/*
 * A last answer of our own to somebody at a relay's door: HTTP with a body of JSON, and then he is given time to read
 * it; what he still sends is thrown away unread. Whoever has a client whom nobody serves hands him over.
 */
#pragma once

#include "net/stream.h"
#include "relay/problem.h"

/*
 * Takes `client` over, even on failure. `closed` is called once, from the loop, when he is gone; not after a failure.
 * The problem is read during the call. 0 or -errno.
 */
int farewell_say(struct stream *client, const struct problem *problem, void (*closed)(void *owner), void *owner);
