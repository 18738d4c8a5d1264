/*
 * A range of addresses, as 10.0.0.0/8 or ::1/128. Pure.
 */
#pragma once

#include "net/address.h"

struct network {
    struct address base;
    unsigned bits; /* of the base that count */
};

/* ADDRESS or ADDRESS/BITS; a base with bits set behind those that count is refused. 0 or -EINVAL. */
int network_parse(struct slice text, struct network *ret);

/* An IPv4 address that arrives mapped into IPv6 (::ffff:a.b.c.d) is what it stands for. */
bool network_has(const struct network *network, const struct address *address);
