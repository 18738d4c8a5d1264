#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

int address_from_bytes(struct slice bytes, uint16_t port, struct address *ret) {
    struct address address = {.n = 0};

    if (bytes.n == 4) {
        address.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&address.in.sin_addr, bytes.p, 4);
        address.n = sizeof(address.in);
    } else if (bytes.n == 16) {
        address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&address.in6.sin6_addr, bytes.p, 16);
        address.n = sizeof(address.in6);
    } else {
        return -EINVAL;
    }
    *ret = address;
    return 0;
}

/* Exactly four decimal parts without leading zeros: inet_aton's octal and short forms are what attackers send. */
static bool parse_ipv4(struct slice text, char bytes[static 4]) {
    size_t at = 0;

    for (size_t part = 0; part < 4; part++) {
        size_t start = at;
        unsigned value = 0;

        while (at < text.n && at - start < 3 && text.p[at] >= '0' && text.p[at] <= '9')
            value = value * 10 + (unsigned)(text.p[at++] - '0');
        if (at == start || value > 255 || (text.p[start] == '0' && at - start > 1))
            return false;
        bytes[part] = (char)value;
        if (part < 3 && (at == text.n || text.p[at++] != '.'))
            return false;
    }
    return at == text.n;
}

static int parse_ipv6(struct slice text, uint16_t port, struct address *ret) {
    char copy[INET6_ADDRSTRLEN];
    char bytes[16];

    if (text.n == 0 || text.n >= sizeof(copy) || slice_has(text, '\0'))
        return -EINVAL;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(AF_INET6, copy, bytes) == 1 ? address_from_bytes(slice_of(bytes, 16), port, ret) : -EINVAL;
}

int address_parse(struct slice text, uint16_t port, struct address *ret) {
    char bytes[4];

    if (parse_ipv4(text, bytes))
        return address_from_bytes(slice_of(bytes, sizeof(bytes)), port, ret);
    return parse_ipv6(text, port, ret);
}

static bool has_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(bytes, prefix, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ prefix[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

/* IANA IPv4 Special-Purpose Address Registry (RFC 6890 and its successors) and the multicast and reserved space */
static bool is_public_ipv4(const uint8_t bytes[4]) {
    static const struct {
        uint8_t prefix[4];
        unsigned bits;
    } special[] = {
        {{0}, 8},
        {{10}, 8},
        {{100, 64}, 10},
        {{127}, 8},
        {{169, 254}, 16},
        {{172, 16}, 12},
        {{192, 0, 0}, 24},
        {{192, 0, 2}, 24},
        {{192, 88, 99}, 24},
        {{192, 168}, 16},
        {{198, 18}, 15},
        {{198, 51, 100}, 24},
        {{203, 0, 113}, 24},
        {{224}, 4},
        {{240}, 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (has_prefix(bytes, special[i].prefix, special[i].bits))
            return false;
    return true;
}

/*
 * Only 2000::/3 is allocated as global unicast (RFC 4291 §2.4, IANA); within it the special blocks are refused, and
 * the translation prefix outside it (64:ff9b::/96) is refused with all the rest, since it can name any IPv4 address.
 */
static bool is_public_ipv6(const uint8_t bytes[16]) {
    static const struct {
        uint8_t prefix[16];
        unsigned bits;
    } special[] = {
        {{0x20, 0x01, 0x00}, 23},       /* IETF protocol assignments, Teredo and ORCHID among them */
        {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
        {{0x20, 0x02}, 16},             /* 6to4 */
        {{0x3f, 0xff}, 20},             /* documentation (RFC 9637) */
    };
    static const uint8_t global[16] = {0x20};

    if (!has_prefix(bytes, global, 3))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (has_prefix(bytes, special[i].prefix, special[i].bits))
            return false;
    return true;
}

bool address_is_public(const struct address *address) {
    uint8_t bytes[16];

    if (address->any.sa_family == AF_INET) {
        memcpy(bytes, &address->in.sin_addr, 4);
        return is_public_ipv4(bytes);
    }
    memcpy(bytes, &address->in6.sin6_addr, 16);
    return is_public_ipv6(bytes);
}

void address_format(const struct address *address, char text[static ADDRESS_TEXT_MAX]) {
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host));
        (void)snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(address->in.sin_port));
    } else {
        (void)inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host));
        (void)snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(address->in6.sin6_port));
    }
}
