#include "wire/connect_target.h"

#include <arpa/inet.h>

#include "base/num.h"
#include "wire/http_char.h"

#define PORT_DIGITS 5
#define LABEL_MAX 63

static const char *const reasons[CONNECT_FAULTS] = {
    [CONNECT_OK] = "",
    [CONNECT_EMPTY] = "the target has no host",
    [CONNECT_NUL] = "the target has a NUL in it",
    [CONNECT_NOT_ASCII] = "the target's host is not ASCII: an internationalised name goes in its xn-- form",
    [CONNECT_USERINFO] = "the target has a user in it",
    [CONNECT_ODD_BYTE] = "the target is more than a host and a port",
    [CONNECT_NO_PORT] = "the target has no port",
    [CONNECT_BAD_PORT] = "the target's port is none of 1 to 65535",
    [CONNECT_BAD_BRACKETS] = "the target's host is no IPv6 address in brackets",
    [CONNECT_ODD_ADDRESS] = "the target's host is an address in a form that is read in several ways",
    [CONNECT_LAST_DOT] = "the target's host ends in a dot",
    [CONNECT_BAD_NAME] = "the target's host is no name that DNS can have",
};

const char *connect_fault_reason(enum connect_fault fault) {
    return reasons[fault];
}

/* What stands out is named, before anything is made of the rest. */
static enum connect_fault check_bytes(struct slice text) {
    if (slice_has(text, '\0'))
        return CONNECT_NUL;
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 0x7e)
            return CONNECT_NOT_ASCII;
    if (slice_has(text, '@'))
        return CONNECT_USERINFO;
    for (size_t i = 0; i < text.n; i++)
        if (!http_char_is(text.p[i], HTTP_CHAR_HOST) && !slice_has(SLICE("[]:%"), text.p[i]))
            return CONNECT_ODD_BYTE;
    return CONNECT_OK;
}

/* Takes `:port` off the end. */
static enum connect_fault cut_port(struct slice *text, uint16_t default_port, uint16_t *ret) {
    size_t at = text->n;
    struct slice digits;
    uint64_t port;

    while (at > 0 && text->p[at - 1] != ':' && text->p[at - 1] != ']')
        at--;
    if (at == 0 || text->p[at - 1] == ']') {
        *ret = default_port;
        if (default_port == 0)
            return CONNECT_NO_PORT;
        return at == text->n || at == 0 ? CONNECT_OK : CONNECT_BAD_PORT;
    }
    digits = slice_from(*text, at);
    *text = slice_first(*text, at - 1);
    if (digits.n == 0)
        return CONNECT_NO_PORT;
    if (digits.n > PORT_DIGITS || digits.p[0] == '0' || num_parse(digits, UINT16_MAX, &port) < 0)
        return CONNECT_BAD_PORT;
    *ret = (uint16_t)port;
    return CONNECT_OK;
}

/* An address is written in many ways: what is compared is the one that the library writes. */
static bool canonise(int family, struct slice text, struct connect_target *to) {
    char written[INET6_ADDRSTRLEN];
    struct in6_addr binary;

    if (text.n >= sizeof(written))
        return false;
    memcpy(written, text.p, text.n);
    written[text.n] = '\0';
    if (inet_pton(family, written, &binary) != 1 ||
        !inet_ntop(family, &binary, to->host_text, (socklen_t)sizeof(to->host_text)))
        return false;
    to->host_n = strlen(to->host_text);
    to->is_address = true;
    to->is_ipv6 = family == AF_INET6;
    return true;
}

static struct slice last_label(struct slice host) {
    size_t at = host.n;

    while (at > 0 && host.p[at - 1] != '.')
        at--;
    return slice_from(host, at);
}

/* Decimal, octal or hexadecimal: a name that ends so is an address to some reader. */
static bool is_number(struct slice label) {
    size_t at = 0;

    if (label.n >= 2 && label.p[0] == '0' && ascii_lower(label.p[1]) == 'x') {
        for (at = 2; at < label.n && num_hex_digit(label.p[at]) >= 0;)
            at++;
        return at == label.n;
    }
    while (at < label.n && label.p[at] >= '0' && label.p[at] <= '9')
        at++;
    return label.n > 0 && at == label.n;
}

static enum connect_fault check_name(struct slice host) {
    size_t label = 0;

    if (host.n > LIMIT_HOST)
        return CONNECT_BAD_NAME;
    for (size_t i = 0; i < host.n; i++) {
        label = host.p[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MAX || (label == 0 && (i == 0 || host.p[i - 1] == '.')))
            return CONNECT_BAD_NAME;
    }
    return label == 0 ? CONNECT_LAST_DOT : CONNECT_OK;
}

static enum connect_fault read_host(struct slice host, struct connect_target *to) {
    enum connect_fault fault;

    if (host.n == 0)
        return CONNECT_EMPTY;
    if (host.p[0] == '[') {
        bool is_closed = host.p[host.n - 1] == ']';

        return is_closed && canonise(AF_INET6, slice_of(host.p + 1, host.n - 2), to) ? CONNECT_OK
                                                                                     : CONNECT_BAD_BRACKETS;
    }
    if (slice_has(host, ':') || slice_has(host, '[') || slice_has(host, ']'))
        return CONNECT_BAD_BRACKETS;
    if (slice_has(host, '%'))
        return CONNECT_ODD_BYTE;
    if (canonise(AF_INET, host, to))
        return CONNECT_OK;
    fault = check_name(host);
    if (fault == CONNECT_OK || fault == CONNECT_LAST_DOT) {
        struct slice name = fault == CONNECT_OK ? host : slice_first(host, host.n - 1);

        if (is_number(last_label(name)))
            return CONNECT_ODD_ADDRESS;
    }
    for (size_t i = 0; i < host.n && fault == CONNECT_OK; i++)
        to->host_text[i] = ascii_lower(host.p[i]);
    to->host_n = host.n;
    return fault;
}

enum connect_fault connect_target_parse(struct slice text, uint16_t default_port, struct connect_target *ret) {
    struct connect_target found = {0};
    enum connect_fault fault = check_bytes(text);

    if (fault == CONNECT_OK && text.n == 0)
        fault = CONNECT_EMPTY;
    if (fault == CONNECT_OK)
        fault = cut_port(&text, default_port, &found.port);
    if (fault == CONNECT_OK)
        fault = read_host(text, &found);
    if (fault == CONNECT_OK)
        *ret = found;
    return fault;
}

static size_t put(char *to, size_t at, struct slice text) {
    memcpy(to + at, text.p, text.n);
    return at + text.n;
}

size_t connect_target_format(const struct connect_target *target, char to[static CONNECT_TARGET_MAX]) {
    char digits[NUM_DIGITS];
    size_t n = target->is_ipv6 ? put(to, 0, SLICE("[")) : 0;

    n = put(to, n, connect_target_host(target));
    n = put(to, n, target->is_ipv6 ? SLICE("]:") : SLICE(":"));
    return put(to, n, num_format(target->port, digits));
}
