/*
 * Which lease a host belongs to, for the proxy: exactly one authority each, host and port. Knows the leases' places by
 * IPC_DOOR_PLACE; resolves nothing, and decides nothing about hosts that no lease is for.
 */
#pragma once

#include "egress/door/place_codec.h"
#include "relay/exchange.h"
#include "wire/connect_target.h"

/* Lives as long as the relay. */
struct proxy_place {
    uint32_t door;
    bool is_tls;
    struct connect_target target; /* where its upstream is */
    char authority[CONNECT_TARGET_MAX];
    char *base_path;
    bool is_own;                  /* a base_url door of this relay, by its own URL: no TLS inside its CONNECT */
    char prefix[LIMIT_PREFIX];    /* of such a one */
    struct exchange_rules inside; /* for what comes inside a CONNECT */
    struct exchange_rules single; /* for one request with an absolute target */
};

/* `rules` are those of the lease's door. 0, -EPROTO (a place that is none) or -ENOMEM. */
int proxy_route_add(const struct door_place *from, const struct exchange_rules *rules);

/* A base_url door of this relay at 127.0.0.1: whoever is led to the proxy asks it for that URL too. As proxy_route_add. */
int proxy_route_add_own(uint32_t door, uint16_t port, struct slice prefix, const struct exchange_rules *rules);

enum proxy_route {
    ROUTE_LEASE,     /* it is for the place of a lease, in the way that it speaks there */
    ROUTE_PLAIN,     /* TLS is wanted for a lease whose upstream is http */
    ROUTE_TLS,       /* plain HTTP is wanted for a lease whose upstream is https */
    ROUTE_ELSEWHERE, /* no lease is for it */
};

/* `*ret` is the place, but for ROUTE_ELSEWHERE. Of several leases for one authority it is the first. */
enum proxy_route proxy_route_find(const struct connect_target *target, bool is_tls, const struct proxy_place **ret);

/* The places but for our own, in order: `at` from 0 on. NULL behind the last. */
const struct proxy_place *proxy_route_at(size_t at);

/* All are forgotten. */
void proxy_route_clear(void);
