/*
 * Paths, queries and percent escapes (RFC 3986), and upstream URLs from the configuration. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

/*
 * The path as the most liberal server could read it, for matching rules on: escapes decoded once, backslash as a slash,
 * empty segments merged, path parameters (`;…`) cut from each segment, dot segments resolved. `to` has room for `path.n
 * + 1` bytes. Returns the length, or -1 when it does not start with a slash, holds a NUL, climbs above its root (or out
 * of a base path before it), or when decoding again would reveal a NUL, another slash, backslash, semicolon or dot
 * segment (`%252e`), or one more escape: nobody can say what such a path means.
 */
ptrdiff_t uri_normalise_path(struct slice path, char *to);

/*
 * Decodes %XX; a malformed escape stays as it is; `+` stays `+`. `to` has room for `text.n`, and may be where `text`
 * stands. Returns the length.
 */
size_t uri_percent_decode(struct slice text, char *to);

/* Escapes all but unreserved characters (RFC 3986 §2.3), upper case. `to` has room for `3 * text.n`. The length. */
size_t uri_percent_encode(struct slice text, char *to);

/*
 * As uri_percent_encode, for a part of a path's segment: pchar stays readable too (RFC 3986 §3.3), all but `;`, behind
 * which many servers read a parameter.
 */
size_t uri_percent_encode_segment(struct slice text, char *to);

struct uri_upstream {
    bool is_tls;       /* https or wss; http and ws are not */
    struct slice host; /* no brackets around an IPv6 address */
    bool is_ipv6_literal;
    uint16_t port;          /* the scheme's default when not written */
    struct slice base_path; /* "" or "/x/y": no trailing slash */
};

#define URI_AUTHORITY_MAX LIMIT_AUTHORITY

/*
 * "host", or "host:port" where the port is not the scheme's default, brackets around IPv6: what Host carries. The
 * length.
 */
size_t uri_format_authority(const struct uri_upstream *upstream, char to[static URI_AUTHORITY_MAX]);

/*
 * `scheme://host[:port][/base/path]` with scheme http, https, ws or wss, no userinfo, query or fragment, a host of
 * letters, digits, `-`, `.` (or an IP address), and a path that equals its normalised form. NULL when it is one, and
 * `*ret` looks into `url`; else, in plain words, what is wrong.
 */
const char *uri_parse_upstream(struct slice url, struct uri_upstream *ret);

/*
 * Whether it is this machine by what is written: localhost, 127.0.0.0/8 or ::1. A name that merely resolves to such an
 * address may resolve to another one tomorrow.
 */
bool uri_is_loopback(const struct uri_upstream *upstream);
