/*
 * The base_url door: a socket on which anybody's HTTP client finds one lease as if it were the API itself. Each
 * connection is a call (door/call.h), and then a stream like any other. Part of the relay.
 */
#pragma once

#include "egress/door/door.h"
#include "relay/connection.h"

/*
 * Listens on `fd` (taken over, even on failure) for the lease with that door; `rules` are the lease's, and borrowed for
 * good, as the timeouts. `prefix` is copied: empty, or what every path begins with. 0 or -errno.
 */
int base_url_open(uint32_t number, enum door_kind kind, int fd, struct slice prefix, const struct exchange_rules *rules,
                  const struct connection_timeouts *timeouts);
