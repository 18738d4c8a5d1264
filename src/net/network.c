#include "net/network.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

#define MAPPED_BITS 96 /* of ::ffff:0:0/96, RFC 4291 §2.5.5.2 */

/* The bytes of an address, without its port; IPv4 in four of them, also where it came mapped into IPv6. */
static struct slice address_bytes(const struct address *address) {
    struct slice bytes;

    if (address->any.sa_family == AF_INET)
        return slice_of(&address->in.sin_addr, 4);
    bytes = slice_of(&address->in6.sin6_addr, 16);
    return IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr) ? slice_from(bytes, 12) : bytes;
}

/* Whether all behind the first `bits` are zero. */
static bool is_clear_behind(struct slice bytes, unsigned bits) {
    for (size_t i = bits; i < bytes.n * 8; i++)
        if ((unsigned char)bytes.p[i / 8] & (0x80U >> i % 8))
            return false;
    return true;
}

static int parse_bits(struct slice text, uint64_t max, uint64_t *ret) {
    if (text.n > 1 && text.p[0] == '0')
        return -EINVAL;
    return num_parse(text, max, ret) < 0 ? -EINVAL : 0;
}

int network_parse(struct slice text, struct network *ret) {
    struct slice rest = text, address = slice_cut(&rest, '/'), bytes;
    struct network network = {.bits = 0};
    uint64_t bits, all;

    if (address_parse(address, 0, &network.base) < 0)
        return -EINVAL;
    all = network.base.any.sa_family == AF_INET ? 32 : 128;
    bits = all;
    if (rest.p && parse_bits(rest, all, &bits) < 0)
        return -EINVAL;
    bytes = address_bytes(&network.base);
    if (bytes.n * 8 < all) { /* mapped: it becomes the IPv4 network that it stands for */
        if (bits < MAPPED_BITS)
            return -EINVAL;
        bits -= MAPPED_BITS;
        if (address_from_bytes(bytes, 0, &network.base) < 0)
            return -EINVAL;
        bytes = address_bytes(&network.base);
    }
    if (!is_clear_behind(bytes, (unsigned)bits))
        return -EINVAL;
    network.bits = (unsigned)bits;
    *ret = network;
    return 0;
}

bool network_has(const struct network *network, const struct address *address) {
    struct slice base = address_bytes(&network->base), bytes = address_bytes(address);
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (base.n != bytes.n || network->bits > base.n * 8 || memcmp(base.p, bytes.p, whole) != 0)
        return false;
    return rest == 0 ||
           (((unsigned char)base.p[whole] ^ (unsigned char)bytes.p[whole]) & (0xff00U >> rest) & 0xff) == 0;
}
