/*
 * A way that carries one request of plain HTTP to a host that no lease is for: hop-by-hop fields are off, Host says what
 * was asked for, and a request with the placeholder of a lease in it goes no further. Parses what strangers on both
 * sides send, with the engines of relay/. Tells the supervisor when it is over.
 */
#pragma once

#include "net/stream.h"
#include "relay/connection.h"
#include "wire/connect_target.h"

/*
 * `early` is what was read of the client already, its head; `upstream` the connected socket. Takes both over even on
 * failure, and the way, and the client's place at the listener. 0 or -errno.
 */
int proxy_forward_serve(uint64_t way, struct stream *client, struct slice early, int upstream,
                        const struct connect_target *target);
