/*
 * host [":" port], as in Host, in request targets and in upstream URLs (RFC 3986 §3.2, RFC 9110 §7.2), with our
 * refusals: no userinfo, no zone id, no percent escape, no list. Says what stands there; never resolves a name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct authority {
    struct slice host; /* as written, without the brackets of an IPv6 address */
    bool is_ipv6;      /* it stood in brackets and is an address */
    bool has_colon;    /* there may be nothing behind it: a stray colon (RFC 3986 §3.2.3) */
    bool has_port;
    uint16_t port;
};

/* False when `text` is none; `*ret` is untouched then. */
bool authority_parse(struct slice text, struct authority *ret);
