#include "wire/authority.h"

#include <arpa/inet.h>

#include "base/limits.h"
#include "base/num.h"
#include "wire/http_span.h"

#define PORT_DIGITS 5

static bool is_ipv6(struct slice text) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;

    if (text.n >= sizeof(address) || slice_has(text, '\0'))
        return false;
    memcpy(address, text.p, text.n);
    address[text.n] = '\0';
    return inet_pton(AF_INET6, address, &binary) == 1;
}

/* Of which a host's name may have any; the comma would make a list. */
static bool are_host_bytes(struct slice text) {
    static const struct slice sub_delims = SLICE("!$&'()*+;=");

    if (http_span_is_host(text))
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (!http_char_is(text.p[i], HTTP_CHAR_HOST) && !slice_has(sub_delims, text.p[i]))
            return false;
    return true;
}

/*
 * A reg-name or an IPv4 address (RFC 3986 §3.2.2) without escapes: labels with one dot between them, and perhaps one at
 * the end (RFC 1034 §3.1).
 */
static bool is_name(struct slice text) {
    if (text.n == 0 || text.n > LIMIT_HOST || !are_host_bytes(text))
        return false;
    while (text.n > 0) {
        size_t label = slice_index(text, '.');

        if (label == 0)
            return false;
        text = slice_from(text, label + 1);
    }
    return true;
}

/* ":" *DIGIT, or nothing. Leading zeros beyond five digits are refused: nobody writes them in good faith. */
static bool parse_port(struct slice text, struct authority *to) {
    uint64_t port;

    if (text.n == 0)
        return true;
    if (text.p[0] != ':')
        return false;
    to->has_colon = true;
    text = slice_from(text, 1);
    if (text.n == 0)
        return true;
    if (text.n > PORT_DIGITS || num_parse(text, UINT16_MAX, &port) < 0)
        return false;
    to->has_port = true;
    to->port = (uint16_t)port;
    return true;
}

bool authority_parse(struct slice text, struct authority *ret) {
    struct authority found = {0};
    struct slice port;

    if (slice_starts_with(text, SLICE("["))) {
        size_t end = slice_index(text, ']');

        if (end == text.n)
            return false;
        found.host = slice_of(text.p + 1, end - 1);
        found.is_ipv6 = is_ipv6(found.host);
        if (!found.is_ipv6)
            return false;
        port = slice_from(text, end + 1);
    } else {
        size_t end = slice_index(text, ':');

        found.host = slice_first(text, end);
        if (!is_name(found.host))
            return false;
        port = slice_from(text, end);
    }
    if (!parse_port(port, &found))
        return false;
    *ret = found;
    return true;
}
