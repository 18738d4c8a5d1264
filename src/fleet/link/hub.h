/*
 * The link to the hub: made, lost, and made again, for ever. What is said on it is talk.h's. Used by link.c, of which
 * there is one for each runner.
 */
#pragma once

#include "base/secret.h"
#include "fleet/link/handshake.h"
#include "fleet/link/route.h"
#include "fleet/link/talk.h"

enum hub_state {
    WAIT_SETTINGS,  /* where the hub is, whom to trust, the token, the resolver */
    WAIT_LEAVE,     /* the supervisor's, to connect now, and its word on the broker */
    WAIT_ROUTE,     /* a connection, through a proxy perhaps, with TLS */
    WAIT_HANDSHAKE, /* the answer to the upgrade */
    WAIT_LOSS,      /* the link stands */
    WAIT_RETRY,     /* a while, before the next attempt */
};

struct hub {
    enum hub_state state;
    struct link_settings settings; /* filled by link.c before hub_point */
    bool is_pointed, has_resolver, has_broker, is_draining;
    struct secret *token;
    struct tls_context *trust; /* NULL for ws */
    struct tls_sessions sessions;
    char host[LIMIT_HOST + 1];
    struct proxy proxy;
    struct route_plan plan;
    struct route *route;
    struct handshake *handshake;
    struct talk talk;
    struct timer deadline; /* of the handshake, and of WAIT_RETRY */
    uint64_t began_ms, opened_ms;
    uint64_t delay_ms;   /* the next wait, at the longest */
    void (*ended)(void); /* hub_end has done what it can; NULL before */
};

void hub_init(struct hub *hub, const struct machine *machine);

/* The settings are there. `trust` is the hub's from now on; NULL for ws. Once. 0, or -EINVAL after a word in the log. */
int hub_point(struct hub *hub, struct tls_context *trust);

/* Used from the next connection on; the hub's from now on. */
void hub_take_token(struct hub *hub, struct secret *token);
void hub_has_resolver(struct hub *hub);

/* IPC_LINK_CONNECT. 0, or -EPROTO when it was not asked for. */
int hub_connect(struct hub *hub, bool has_broker);

/* The runner ends soon: no long waits any more. */
void hub_drain(struct hub *hub);

/* Says goodbye to the hub (1001), where there is a link, and calls `ended`, once, from the loop. */
void hub_end(struct hub *hub, void (*ended)(void));
