/*
 * Connections to instances: the warm ones, of which the one used last is taken first, and new ones over TCP (without
 * delay) or a unix socket. Connects to exactly what the table says. A connection is only used again when its last
 * exchange has left it clean, and never for another instance. Called by the visit.
 */
#pragma once

#include "ingress/visit/place.h"
#include "relay/client.h"

struct pool_attempt;

/*
 * A warm connection, or NULL. It is the caller's, who attaches himself to it. With `is_sure` the kernel is asked whether
 * it still stands: for what must not be sent twice.
 */
struct client *pool_take(struct place *place, bool is_sure);

/* After an exchange, or instead of one: kept when it is clean and there is room, else closed. */
void pool_give_back(struct place *place, struct client *client);

/* Closes it, or what is left of it when its stream was moved away. */
void pool_drop(struct client *client);

/* `client` is the callee's; or it is NULL, and `error`, -errno, says why. */
typedef void pool_connected(void *owner, struct client *client, int error);

/*
 * `done` is called once, from the loop, unless pool_cancel comes first: in front.connect_ms at the latest, -ETIMEDOUT.
 * NULL without memory. `place` is borrowed.
 */
struct pool_attempt *pool_connect(struct place *place, pool_connected *done, void *owner);
void pool_cancel(struct pool_attempt *attempt); /* NULL is fine */

/* Closes warm connections of `place` that were not used since `before_ms`. */
void pool_prune(struct place *place, uint64_t before_ms);
