#include "egress/door/proxy_door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "egress/door/door.h"
#include "egress/door/house.h"
#include "egress/door/listener.h"
#include "egress/door/proxy_client.h"
#include "egress/door/proxy_route.h"

static struct authority *authority;
static struct listener listener;
static bool is_listening;

static void client_came(struct listener *from, int fd, const struct caller *caller) {
    (void)from;
    proxy_client_new(fd, caller);
}

int proxy_listen(int fd) {
    if (is_listening) {
        fd_close(&fd);
        return -EPROTO;
    }
    is_listening = true;
    return listener_init(&listener, fd, DOOR_KIND_PROXY, client_came, NULL);
}

int proxy_url_opens(uint32_t door, int fd, struct slice prefix) {
    struct sockaddr_in at = {0};
    socklen_t n = sizeof(at);

    if (getsockname(fd, (struct sockaddr *)&at, &n) < 0)
        return -errno;
    return at.sin_family == AF_INET ? proxy_route_add_own(door, ntohs(at.sin_port), prefix, house_rules(door))
                                    : -EPROTO;
}

struct tls_terminator *proxy_terminator(struct slice host) {
    return authority ? authority_terminator(authority, host) : NULL;
}

int proxy_take_place(void *owner, struct ipc_message *m) {
    struct door_place place;
    const struct exchange_rules *rules;

    (void)owner;
    if (place_decode(m, &place) < 0)
        return -EPROTO;
    rules = house_rules(place.door);
    if (!rules || authority) /* its certificates are made already */
        return -EPROTO;
    return proxy_route_add(&place, rules);
}

int proxy_take_order(void *owner, struct ipc_message *m) {
    struct door_place places[LIMIT_LEASES];
    const struct proxy_place *place;
    size_t n = 0;

    (void)owner;
    for (; n < ARRAY_LEN(places) && (place = proxy_route_at(n)); n++)
        places[n] = (struct door_place){.door = place->door,
                                        .is_tls = place->is_tls,
                                        .host = connect_target_host(&place->target),
                                        .port = place->target.port};
    return authority ? -EPROTO : authority_take_order(m, places, n, &authority);
}
