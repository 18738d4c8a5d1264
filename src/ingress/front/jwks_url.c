#include "ingress/front/jwks_url.h"

#include "net/address.h"
#include "wire/http_message.h"

static bool is_this_machine(const struct uri_upstream *server) {
    struct address address;

    if (slice_equals_nocase(server->host, SLICE("localhost")))
        return true;
    if (address_parse(server->host, 0, &address) < 0)
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.in.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address.in6.sin6_addr);
}

/* Whether it begins with one of the schemes, and how long "https://host:port", before the path, is then. */
static bool find_origin(struct slice url, size_t *ret_n) {
    size_t n = slice_starts_with(url, SLICE("https://"))  ? sizeof("https://") - 1
               : slice_starts_with(url, SLICE("http://")) ? sizeof("http://") - 1
                                                          : 0;

    if (n == 0)
        return false;
    while (n < url.n && url.p[n] != '/' && url.p[n] != '?')
        n++;
    *ret_n = n;
    return true;
}

const char *jwks_url_parse(struct slice url, struct jwks_url *ret) {
    struct jwks_url found;
    struct http_target target;
    const char *wrong;
    size_t n;

    if (!find_origin(url, &n))
        return "it must start with https:// (or http://, on this machine)";
    if (url.n > LIMIT_CLAIM)
        return "it is too long";
    found.target = slice_from(url, n);
    wrong = uri_parse_upstream(slice_first(url, n), &found.server);
    if (wrong)
        return wrong;
    if (!found.server.is_tls && !is_this_machine(&found.server))
        return "http is good for this machine alone: whoever stands in between could put keys of his own there";
    if (found.target.n == 0)
        found.target = SLICE("/");
    if (http_target_parse(SLICE("GET"), found.target, &target) != HTTP_OK || target.form != HTTP_TARGET_ORIGIN)
        return "the path or the query is malformed";
    *ret = found;
    return NULL;
}
