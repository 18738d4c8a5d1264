/*
 * Who is refused at the proxy before anybody else could tell of it: what he sent is looked at for placeholders, and the
 * supervisor hears of his first line alone, without a query, a user's name, or a placeholder in it. Called by
 * proxy_client.c; judges nothing.
 */
#pragma once

#include "egress/door/proxy_route.h"
#include "egress/door/turn_away.h"

/* Whether the placeholder of a lease stands in what came: 1, 0 or -ENOMEM. */
int proxy_turn_look(struct slice came);

/* `came` is all that was read of him; `place` that of the lease whose host it is, or NULL. */
void proxy_turn_tell(const struct caller *caller, enum turn_away_why why, const struct proxy_place *place,
                     struct slice came, unsigned status, struct slice reason);
