#include "fleet/link/proxy.h"

#include <errno.h>
#include <stdlib.h>

#include "base/num.h"
#include "net/network.h"
#include "wire/authority.h"
#include "wire/base64.h"

static const char *value_of(const char *name, const char *small_name) {
    const char *value = getenv(name);

    if (!value || !*value)
        value = getenv(small_name);
    return value ? value : "";
}

void proxy_of_environment(const char **ret_proxy, const char **ret_no_proxy) {
    *ret_proxy = value_of("HTTPS_PROXY", "https_proxy");
    *ret_no_proxy = value_of("NO_PROXY", "no_proxy");
}

/* Takes `scheme://` off the front, when there is one. */
static const char *take_scheme(struct slice *text) {
    static const struct slice http = SLICE("http://"), https = SLICE("https://");

    if (slice_equals_nocase(slice_first(*text, https.n), https))
        return "TLS to the proxy itself (https://) is not supported: name it with http://";
    if (slice_equals_nocase(slice_first(*text, http.n), http)) {
        *text = slice_from(*text, http.n);
        return NULL;
    }
    for (size_t i = 0; i + 2 < text->n; i++)
        if (slice_starts_with(slice_from(*text, i), SLICE("://")))
            return "only proxies that speak HTTP are supported (http://)";
    return NULL;
}

/* Takes what stands before the last `@` off the front: a password may hold one that nobody escaped. */
static struct slice take_user_info(struct slice *text) {
    for (size_t at = text->n; at > 0; at--)
        if (text->p[at - 1] == '@') {
            struct slice user_info = slice_first(*text, at - 1);

            *text = slice_from(*text, at);
            return user_info;
        }
    return SLICE_EMPTY;
}

const char *proxy_parse(struct slice text, struct proxy *ret) {
    const char *wrong = take_scheme(&text);
    struct proxy found = {.port = 80};
    struct authority authority;

    if (wrong)
        return wrong;
    found.user_info = take_user_info(&text);
    if (slice_ends_with(text, SLICE("/")))
        text.n--;
    if (!authority_parse(text, &authority) || authority.host.n > LIMIT_HOST)
        return "its host or its port is malformed";
    if (authority.has_port)
        found.port = authority.port;
    if (found.port == 0)
        return "its port is malformed";
    memcpy(found.host, authority.host.p, authority.host.n);
    found.host[authority.host.n] = '\0';
    *ret = found;
    return NULL;
}

static int append_decoded(struct buf *to, struct slice escaped) {
    size_t room;
    char *at;

    if (escaped.n == 0)
        return 0;
    at = buf_reserve(to, escaped.n, &room);
    if (!at || room < escaped.n)
        return -ENOBUFS;
    buf_commit(to, uri_percent_decode(escaped, at));
    return 0;
}

/* RFC 7617 §2: the name, a colon and the password, in base64. */
int proxy_write_authorization(const struct proxy *proxy, struct buf *to) {
    struct slice name = slice_first(proxy->user_info, slice_index(proxy->user_info, ':')), encoded;
    struct slice password = slice_from(proxy->user_info, name.n + 1);
    struct buf pair;
    size_t room;
    char *at;
    int r;

    buf_init_secret(&pair, LIMIT_PROXY);
    r = append_decoded(&pair, name);
    if (r == 0 && slice_has(buf_slice(&pair), ':'))
        r = -EINVAL; /* whoever reads it would take the rest of the name for the password */
    if (r == 0)
        r = buf_append(&pair, SLICE(":"));
    if (r == 0)
        r = append_decoded(&pair, password);
    if (r == 0)
        r = buf_append(to, SLICE("Basic "));
    encoded.n = BASE64_LENGTH(buf_length(&pair));
    at = r == 0 ? buf_reserve(to, encoded.n, &room) : NULL;
    if (at && room >= encoded.n)
        buf_commit(to, base64_encode(buf_slice(&pair), at));
    else if (r == 0)
        r = -ENOBUFS;
    buf_release(&pair);
    return r;
}

/* Takes the next word off the front: commas and blanks stand between. */
static struct slice take_word(struct slice *rest) {
    static const struct slice between = SLICE(", \t");
    struct slice word;
    size_t n = 0;

    while (rest->n > 0 && slice_has(between, rest->p[0]))
        *rest = slice_from(*rest, 1);
    while (n < rest->n && !slice_has(between, rest->p[n]))
        n++;
    word = slice_first(*rest, n);
    *rest = slice_from(*rest, n);
    return word;
}

/* An address or a range of them; bits behind those that count may be set, as in 10.1.2.3/8. */
static bool names_address(struct slice word, const struct address *address) {
    struct network network;
    struct slice base = slice_cut(&word, '/');
    uint64_t bits;

    if (address_parse(base, 0, &network.base) < 0)
        return false;
    bits = network.base.any.sa_family == AF_INET ? 32 : 128;
    if (word.p && num_parse(word, bits, &bits) < 0)
        return false;
    network.bits = (unsigned)bits;
    return network_has(&network, address);
}

/* Takes `:port` off the end; false when it is there and is another port than the server's, or none. */
static bool take_port(struct slice *word, uint16_t port) {
    struct slice behind;
    uint64_t said;
    size_t at;

    if (slice_starts_with(*word, SLICE("["))) {
        at = slice_index(*word, ']');
        behind = slice_from(*word, at + 1);
        *word = slice_from(slice_first(*word, at), 1);
        if (behind.n == 0)
            return true;
        return behind.p[0] == ':' && num_parse(slice_from(behind, 1), UINT16_MAX, &said) == 0 && said == port;
    }
    at = slice_index(*word, ':');
    if (at == word->n || slice_has(slice_from(*word, at + 1), ':')) /* none, or an IPv6 address */
        return true;
    behind = slice_from(*word, at + 1);
    *word = slice_first(*word, at);
    return num_parse(behind, UINT16_MAX, &said) == 0 && said == port;
}

/* The name itself and everything below it: `.example.org` and `example.org` are the same (curl 7.86 and later). */
static bool names_host(struct slice word, struct slice host) {
    struct slice end;

    while (slice_starts_with(word, SLICE("*.")) || slice_starts_with(word, SLICE(".")))
        word = slice_from(word, word.p[0] == '*' ? 2 : 1);
    if (slice_ends_with(word, SLICE(".")))
        word.n--;
    if (word.n == 0 || word.n > host.n)
        return false;
    end = slice_from(host, host.n - word.n);
    return slice_equals_nocase(end, word) && (end.n == host.n || end.p[-1] == '.');
}

bool no_proxy_has(struct slice no_proxy, const struct uri_upstream *server) {
    struct address address;
    bool is_address = address_parse(server->host, server->port, &address) == 0;

    for (struct slice rest = no_proxy, word; (word = take_word(&rest)).n > 0;) {
        if (slice_equals(word, SLICE("*")))
            return true;
        if (!take_port(&word, server->port))
            continue;
        if (is_address ? names_address(word, &address) : names_host(word, server->host))
            return true;
    }
    return false;
}

const char *proxy_choose(struct slice text, struct slice no_proxy, const struct uri_upstream *hub, struct proxy *ret,
                         bool *ret_is_needed) {
    *ret_is_needed = hub->is_tls && text.n > 0 && !no_proxy_has(no_proxy, hub);
    return *ret_is_needed ? proxy_parse(text, ret) : NULL;
}
