/*
 * The relay of a workload with a proxy: what egress/door/relay.c is, and an HTTP proxy that ends TLS for the leases' hosts
 * with certificates of an authority made in here. A program of its own, so that a relay without a proxy maps no OpenSSL.
 * Started by the supervisor, one for each workload; when its channel ends, so does it.
 */
#include "base/macros.h"
#include "egress/door/authority.h"
#include "egress/door/door_canary.h"
#include "egress/door/house.h"
#include "egress/door/proxy_door.h"
#include "proc/role.h"

static const struct ipc_permit permits[] = {
    HOUSE_PERMITS,
    {IPC_WAY_OPEN, 1, call_take_way},
    {IPC_DOOR_PLACE, 1, proxy_take_place},
    {IPC_PLACEHOLDER, 1, door_canary_take},
    {IPC_PROXY, 1, proxy_take_order},
};

int main(void) {
    static const struct role proxy = {.name = "credfd-proxy",
                                      .seccomp = SECCOMP_PROXY,
                                      .permits = permits,
                                      .n_permits = ARRAY_LEN(permits),
                                      .phase = 1,
                                      .prepare = authority_prepare};

    house_set_proxy(proxy_listen, proxy_url_opens);
    return role_main(&proxy);
}
