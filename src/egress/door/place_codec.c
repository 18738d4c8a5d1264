#include "egress/door/place_codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "net/address.h"

enum place_flag { IS_TLS = 1, ALLOWS_WEBSOCKET = 2, ALL_FLAGS = 3 };

/* In lower case; of an address the one form that inet_ntop(3) gives it. */
static struct slice write_host(struct slice host, char to[static LIMIT_HOST + 1]) {
    struct address address;
    const char *written = NULL;

    if (address_parse(host, 0, &address) == 0)
        written = address.any.sa_family == AF_INET ? inet_ntop(AF_INET, &address.in.sin_addr, to, LIMIT_HOST + 1)
                                                   : inet_ntop(AF_INET6, &address.in6.sin6_addr, to, LIMIT_HOST + 1);
    if (written)
        return slice_of_string(to);
    host = slice_first(host, LIMIT_HOST);
    for (size_t i = 0; i < host.n; i++)
        to[i] = ascii_lower(host.p[i]);
    return slice_of(to, host.n);
}

struct ipc_writer place_encode(uint32_t door, const struct credential *credential) {
    struct ipc_writer w = ipc_begin(IPC_DOOR_PLACE);
    unsigned flags =
        (credential->authority.is_tls ? IS_TLS : 0U) | (credential->allows_websocket ? ALLOWS_WEBSOCKET : 0U);
    char host[LIMIT_HOST + 1];

    ipc_put_u32(&w, door);
    ipc_put_u8(&w, (uint8_t)flags);
    ipc_put_bytes(&w, write_host(credential->authority.host, host));
    ipc_put_u16(&w, credential->authority.port);
    ipc_put_bytes(&w, credential->authority.base_path);
    return w;
}

int place_decode(struct ipc_message *m, struct door_place *ret) {
    struct door_place place = {.door = ipc_get_u32(m)};
    uint8_t flags = ipc_get_u8(m);

    place.is_tls = (flags & IS_TLS) != 0;
    place.allows_websocket = (flags & ALLOWS_WEBSOCKET) != 0;
    place.host = ipc_get_bytes(m, LIMIT_HOST);
    place.port = ipc_get_u16(m);
    place.base_path = ipc_get_bytes(m, LIMIT_BASE_PATH);
    if (flags > ALL_FLAGS || place.door >= LIMIT_LEASES || place.host.n == 0 || place.port == 0 ||
        (place.base_path.n > 0 && place.base_path.p[0] != '/'))
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = place;
    return 0;
}
