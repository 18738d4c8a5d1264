#include "metrics/metrics_settings.h"

#include <string.h>
#include <sys/un.h>

#include "config/value.h"
#include "net/address.h"
#include "wire/authority.h"

static bool is_socket_path(struct slice path) {
    return slice_starts_with(path, SLICE("/")) && path.n < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

/* A name other than localhost would have to be looked up. */
static bool is_own_address(struct slice text) {
    struct authority authority;
    struct address address;

    if (!authority_parse(text, &authority) || !authority.has_port || authority.port == 0)
        return false;
    return slice_equals(authority.host, SLICE("localhost")) ||
           address_parse(authority.host, authority.port, &address) == 0;
}

int settings_read_metrics(const struct node *node, void *field) {
    struct metrics_settings *metrics = field;
    struct slice listen;
    int r = node_where(node, &metrics->where);

    if (r == 0)
        r = value_string(node, &metrics->listen);
    if (r < 0)
        return r;
    listen = slice_of_string(metrics->listen);
    if (slice_starts_with(listen, SLICE("unix:")))
        return is_socket_path(slice_from(listen, strlen("unix:")))
                   ? 0
                   : node_fail(node,
                               "must name a path from / on, of at most %zu characters; write unix:/run/credfd.sock",
                               sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    return is_own_address(listen) ? 0
                                  : node_fail(node, "must be where to listen; write ADDRESS:PORT, as 127.0.0.1:9780, "
                                                    "[::1]:9780 or localhost:9780, or unix:/PATH");
}
