#include "egress/door/proxy_route.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"

#define PORT_TLS 443
#define PORT_PLAIN 80

static struct proxy_place *places[LIMIT_LEASES], *own[LIMIT_LEASES];
static size_t n_places, n_own;

static void place_free(struct proxy_place *place) {
    free(place->base_path);
    free(place);
}

/* A host that the settings have is in order, but written as the supervisor writes it. */
static bool read_host(struct slice host, uint16_t port, struct connect_target *ret) {
    struct connect_target target = {.port = port, .is_ipv6 = slice_has(host, ':'), .host_n = host.n};
    char text[CONNECT_TARGET_MAX];

    if (host.n > LIMIT_HOST)
        return false;
    memcpy(target.host_text, host.p, host.n);
    return connect_target_parse(slice_of(text, connect_target_format(&target, text)), 0, ret) == CONNECT_OK;
}

/* What goes beyond the lease's other doors: the one authority, and the path in front of every path there. */
static void set_rules(struct proxy_place *place, const struct exchange_rules *rules, size_t authority_n) {
    place->inside = *rules;
    place->inside.door = DOOR_PROXY;
    place->inside.authority = slice_of(place->authority, authority_n);
    place->inside.default_port = place->is_tls ? PORT_TLS : PORT_PLAIN;
    place->inside.base_path = slice_of_string(place->base_path);
    place->single = place->inside;
    place->single.is_single = true;
}

int proxy_route_add(const struct door_place *from, const struct exchange_rules *rules) {
    struct proxy_place *place = calloc(1, sizeof(*place));

    if (!place)
        return -ENOMEM;
    place->door = from->door;
    place->is_tls = from->is_tls;
    place->base_path = strndup(from->base_path.p, from->base_path.n);
    if (!place->base_path || n_places == LIMIT_LEASES || !read_host(from->host, from->port, &place->target)) {
        int r = place->base_path ? -EPROTO : -ENOMEM;

        place_free(place);
        return r;
    }
    set_rules(place, rules, connect_target_format(&place->target, place->authority));
    places[n_places++] = place;
    return 0;
}

int proxy_route_add_own(uint32_t door, uint16_t port, struct slice prefix, const struct exchange_rules *rules) {
    struct proxy_place *place = calloc(1, sizeof(*place));

    if (!place)
        return -ENOMEM;
    place->door = door;
    place->is_own = true;
    place->base_path = strdup("");
    if (!place->base_path || n_own == LIMIT_LEASES || prefix.n > LIMIT_PREFIX ||
        !read_host(SLICE("127.0.0.1"), port, &place->target)) {
        int r = place->base_path ? -EPROTO : -ENOMEM;

        place_free(place);
        return r;
    }
    set_rules(place, rules, connect_target_format(&place->target, place->authority));
    if (prefix.n > 0)
        memcpy(place->prefix, prefix.p, prefix.n);
    place->inside.prefix = place->single.prefix = slice_of(place->prefix, prefix.n);
    own[n_own++] = place;
    return 0;
}

static bool is_same_host(const struct connect_target *a, const struct connect_target *b) {
    return slice_equals(connect_target_host(a), connect_target_host(b));
}

enum proxy_route proxy_route_find(const struct connect_target *target, bool is_tls, const struct proxy_place **ret) {
    const struct proxy_place *near = NULL;

    for (size_t i = 0; i < n_own; i++)
        if (own[i]->target.port == target->port && is_same_host(&own[i]->target, target)) {
            *ret = own[i];
            return ROUTE_LEASE;
        }
    for (size_t i = 0; i < n_places; i++) {
        const struct proxy_place *place = places[i];

        if (!is_same_host(&place->target, target))
            continue;
        if (place->target.port == target->port && place->is_tls == is_tls) {
            *ret = place;
            return ROUTE_LEASE;
        }
        /* http://HOST where the lease is for https://HOST is the same place to whoever wrote it */
        if (place->target.port == target->port || (place->is_tls && !is_tls && target->port == PORT_PLAIN))
            near = near ? near : place;
    }
    if (!near)
        return ROUTE_ELSEWHERE;
    *ret = near;
    return near->is_tls ? ROUTE_TLS : ROUTE_PLAIN;
}

const struct proxy_place *proxy_route_at(size_t at) {
    return at < n_places ? places[at] : NULL;
}

void proxy_route_clear(void) {
    while (n_places > 0)
        place_free(places[--n_places]);
    while (n_own > 0)
        place_free(own[--n_own]);
}
