#include "wire/uri.h"

#include <arpa/inet.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"
#include "wire/authority.h"
#include "wire/http_char.h"

/* The byte at `*at` with its escape undone; moves `*at` behind it. A malformed escape is a `%` like any other. */
static char take_decoded(struct slice text, size_t *at, bool *ret_was_escaped) {
    size_t i = *at;
    int high = -1, low = -1;

    if (text.p[i] == '%' && text.n - i >= 3) {
        high = num_hex_digit(text.p[i + 1]);
        low = num_hex_digit(text.p[i + 2]);
    }
    *ret_was_escaped = high >= 0 && low >= 0;
    *at += *ret_was_escaped ? 3 : 1;
    return *ret_was_escaped ? (char)((unsigned)high << 4 | (unsigned)low) : text.p[i];
}

size_t uri_percent_decode(struct slice text, char *to) {
    bool was_escaped;
    size_t n = 0;

    for (size_t at = 0; at < text.n;)
        to[n++] = take_decoded(text, &at, &was_escaped);
    return n;
}

/* Escapes all but unreserved characters and those in `also`. */
static size_t percent_encode(struct slice text, struct slice also, char *to) {
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];

        if (http_char_is(text.p[i], HTTP_CHAR_UNRESERVED) || slice_has(also, text.p[i])) {
            to[n++] = text.p[i];
        } else {
            to[n++] = '%';
            to[n++] = digits[byte >> 4];
            to[n++] = digits[byte & 0xF];
        }
    }
    return n;
}

size_t uri_percent_encode(struct slice text, char *to) {
    return percent_encode(text, SLICE_EMPTY, to);
}

size_t uri_percent_encode_segment(struct slice text, char *to) {
    return percent_encode(text, SLICE("!$&'()*+,=:@"), to);
}

/* Takes the front segment off `*rest`; as slice_cut. Some servers read a backslash as a slash. */
static struct slice take_segment(struct slice *rest) {
    struct slice segment = *rest;

    for (size_t i = 0; i < rest->n; i++)
        if (rest->p[i] == '/' || rest->p[i] == '\\') {
            segment = slice_first(*rest, i);
            *rest = slice_from(*rest, i + 1);
            return segment;
        }
    *rest = slice_of(NULL, 0);
    return segment;
}

/* Two hexadecimal digits, written as such or escaped. */
static bool decodes_to_hex_pair(struct slice text) {
    bool was_escaped;

    for (size_t at = 0, i = 0; i < 2; i++)
        if (at >= text.n || num_hex_digit(take_decoded(text, &at, &was_escaped)) < 0)
            return false;
    return true;
}

/*
 * Whether decoding the decoded segment again would change what the path means: a byte that separates or ends something,
 * a dot segment or one more escape comes out of an escape that is still there.
 */
static bool hides_more(struct slice segment) {
    bool has_escape = false, is_name = true;
    size_t n = 0, dots = 0;

    for (size_t at = 0; at < segment.n;) {
        bool was_escaped;
        char c = take_decoded(segment, &at, &was_escaped);

        if (was_escaped) {
            has_escape = true;
            if (c == '/' || c == '\\' || c == ';' || c == '\0')
                return true;
            if (c == '%' && decodes_to_hex_pair(slice_from(segment, at)))
                return true;
        }
        is_name = is_name && c != ';';
        n += is_name;
        dots += is_name && c == '.';
    }
    return has_escape && n == dots && (n == 1 || n == 2);
}

/* The length of the path without its last segment. */
static size_t parent_length(const char *path, size_t n) {
    while (n > 0 && path[--n] != '/')
        ;
    return n;
}

ptrdiff_t uri_normalise_path(struct slice path, char *to) {
    struct slice rest, segment;
    size_t n = uri_percent_decode(path, to);

    if (WEAKENED(PATH)) {
        memcpy(to, path.p, path.n);
        return (ptrdiff_t)path.n;
    }
    if (!slice_starts_with(path, SLICE("/")) || slice_has(slice_of(to, n), '\0'))
        return -1;
    rest = slice_of(to + 1, n - 1);
    n = 0;
    /* What is written never overtakes what is read: of each segment at most itself and its slash remain. */
    do {
        segment = take_segment(&rest);
        if (hides_more(segment))
            return -1;
        segment = slice_first(segment, slice_index(segment, ';'));
        if (slice_equals(segment, SLICE("."))) {
            segment.n = 0;
        } else if (slice_equals(segment, SLICE(".."))) {
            if (n == 0)
                return -1;
            n = parent_length(to, n);
            segment.n = 0;
        } else if (segment.n > 0) {
            to[n] = '/';
            memmove(to + n + 1, segment.p, segment.n);
            n += 1 + segment.n;
        }
    } while (rest.p);
    if (segment.n == 0)
        to[n++] = '/';
    return (ptrdiff_t)n;
}

/* `://` and what stands before it: the scheme, off the front of `*url`. */
static bool take_scheme(struct slice *url, struct uri_upstream *to) {
    static const struct {
        struct slice prefix;
        bool is_tls;
    } schemes[] = {
        {SLICE("https://"), true}, {SLICE("http://"), false}, {SLICE("wss://"), true}, {SLICE("ws://"), false}};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (slice_equals_nocase(slice_first(*url, schemes[i].prefix.n), schemes[i].prefix)) {
            *url = slice_from(*url, schemes[i].prefix.n);
            to->is_tls = schemes[i].is_tls;
            return true;
        }
    return false;
}

/*
 * What ends in a number is an address to some and a name to others (WHATWG URL, "ends in a number"): only the plain
 * form of four decimal numbers is taken.
 */
static bool is_odd_address(struct slice host) {
    struct slice last = host;
    struct in_addr address;
    char text[INET_ADDRSTRLEN];

    while (slice_has(last, '.'))
        (void)slice_cut(&last, '.');
    if (last.n == 0 || last.p[0] < '0' || last.p[0] > '9')
        return false;
    if (host.n >= sizeof(text))
        return true;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return !WEAKENED(ADDRESS) && inet_pton(AF_INET, text, &address) != 1;
}

static const char *parse_upstream_authority(struct slice text, struct uri_upstream *to) {
    struct authority authority;

    if (text.n == 0)
        return "no host stands after the scheme";
    if (slice_has(text, '@'))
        return "a user name or password has no place in it";
    if (!authority_parse(text, &authority))
        return "the host or the port is malformed";
    if (!authority.is_ipv6 &&
        (http_char_span(authority.host, HTTP_CHAR_HOST) < authority.host.n || slice_has(authority.host, '_')))
        return "the host may hold letters, digits, '-' and '.' only";
    if (!authority.is_ipv6 && is_odd_address(authority.host))
        return "the host is neither a name nor an address of four decimal numbers";
    if (!authority.is_ipv6 && slice_ends_with(authority.host, SLICE(".")))
        return "the host ends in a dot";
    if (authority.has_colon && (!authority.has_port || authority.port == 0))
        return "the port is not a number from 1 to 65535";
    to->host = authority.host;
    to->is_ipv6_literal = authority.is_ipv6;
    to->port = authority.has_port ? authority.port : to->is_tls ? 443 : 80;
    return NULL;
}

/* The base path becomes a part of every request's path, so it must have one reading only. */
static const char *parse_base_path(struct slice text, struct uri_upstream *to) {
    char normal[LIMIT_BASE_PATH + 1];
    ptrdiff_t n;

    if (slice_ends_with(text, SLICE("/")))
        text = slice_first(text, text.n - 1);
    to->base_path = text;
    if (text.n == 0)
        return NULL;
    if (text.n > LIMIT_BASE_PATH)
        return "the path is too long";
    for (size_t i = 0; i < text.n; i++)
        if (!http_char_is(text.p[i], HTTP_CHAR_TARGET))
            return "the path holds a byte that must be escaped";
    n = uri_normalise_path(text, normal);
    if (n < 0 || !slice_equals(slice_of(normal, (size_t)n), text) || slice_ends_with(text, SLICE("/")) ||
        slice_has(text, '%'))
        return "the path must be plain: no '//', no '.' or '..' segment, no ';', no percent escape";
    return NULL;
}

const char *uri_parse_upstream(struct slice url, struct uri_upstream *ret) {
    struct uri_upstream found = {0};
    const char *wrong;
    size_t at;

    if (slice_has(url, '?') || slice_has(url, '#'))
        return "a query or fragment has no place in it";
    if (!take_scheme(&url, &found))
        return "it must start with https://, http://, wss:// or ws://";
    at = slice_index(url, '/');
    wrong = parse_upstream_authority(slice_first(url, at), &found);
    if (!wrong)
        wrong = parse_base_path(slice_from(url, at), &found);
    if (!wrong)
        *ret = found;
    return wrong;
}

size_t uri_format_authority(const struct uri_upstream *upstream, char to[static URI_AUTHORITY_MAX]) {
    bool is_default = upstream->port == (upstream->is_tls ? 443 : 80);
    char digits[NUM_DIGITS];
    const struct slice parts[] = {
        upstream->is_ipv6_literal ? SLICE("[") : SLICE_EMPTY,          upstream->host,
        upstream->is_ipv6_literal ? SLICE("]") : SLICE_EMPTY,          is_default ? SLICE_EMPTY : SLICE(":"),
        is_default ? SLICE_EMPTY : num_format(upstream->port, digits),
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].n > URI_AUTHORITY_MAX - 1 - n)
            return 0;
        memcpy(to + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return n;
}

bool uri_is_loopback(const struct uri_upstream *upstream) {
    char host[INET6_ADDRSTRLEN];
    struct in6_addr ipv6;
    struct in_addr ipv4;

    if (slice_equals_nocase(upstream->host, SLICE("localhost")))
        return true;
    if (upstream->host.n >= sizeof(host))
        return false;
    memcpy(host, upstream->host.p, upstream->host.n);
    host[upstream->host.n] = '\0';
    if (upstream->is_ipv6_literal)
        return inet_pton(AF_INET6, host, &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
    return inet_pton(AF_INET, host, &ipv4) == 1 && ntohl(ipv4.s_addr) >> 24 == IN_LOOPBACKNET;
}
