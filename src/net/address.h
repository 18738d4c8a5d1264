/*
 * Socket addresses: from text, to text, and which of them a name on the public network may stand for. Does no I/O.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t n;
};

#define ADDRESS_TEXT_MAX 64 /* "[ipv6]:port" and its NUL */

/* A dotted quad or an IPv6 address without brackets, nothing looser (no octal, no short form). 0 or -EINVAL. */
int address_parse(struct slice text, uint16_t port, struct address *ret);

/* From the 4 or 16 bytes of a DNS record. 0 or -EINVAL. */
int address_from_bytes(struct slice bytes, uint16_t port, struct address *ret);

/*
 * Whether the address is one of the public network's: not loopback, link-local (169.254.169.254 among them), private,
 * shared, multicast, documentation, unspecified or otherwise special (RFC 6890, RFC 8190), nor an IPv6 form that
 * carries such an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo).
 */
bool address_is_public(const struct address *address);

void address_format(const struct address *address, char text[static ADDRESS_TEXT_MAX]);
