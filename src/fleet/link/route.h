/*
 * A connection to the hub by the one way that there is: directly, or through an HTTP proxy (CONNECT, RFC 9110 §9.3.6);
 * with TLS to the hub inside, verified. Keeps nothing, and says nothing to the hub. Used by hub.c.
 */
#pragma once

#include "fleet/link/proxy.h"
#include "net/tls.h"

struct route;

struct route_plan {
    const char *host; /* the hub's: a name, or an address without brackets */
    bool is_address;
    uint16_t port;
    struct tls_context *tls; /* NULL: without */
    struct tls_sessions *sessions;
    const struct proxy *proxy; /* NULL: directly */
    uint64_t timeout_ms;       /* for all of it together */
};

/* `stream` is there during the call only, to be moved elsewhere; or NULL, and then `why` says why not. The route is gone. */
typedef void route_done(void *owner, struct stream *stream, const char *why);

/* `plan` and what it points to outlive it. `done` is called once, from the loop, unless route_cancel comes first. NULL
 * without memory. */
struct route *route_start(const struct route_plan *plan, route_done *done, void *owner);

/* NULL is fine. */
void route_cancel(struct route *route);
