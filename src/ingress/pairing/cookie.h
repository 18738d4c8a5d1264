/*
 * The Cookie field of requests, taken apart strictly (RFC 6265 §4.2.1): which of its cookies are an instance's
 * session. Pure, and called by the pairer and by dispatchers. A piece that is no NAME=VALUE with a token for a name is
 * nobody's session and is passed over. Cookies are secrets: what is copied out of here is wiped by its owner.
 */
#pragma once

#include "base/buf.h"

/* The next pair of `*rest`, which goes on behind it: its name, and in `*ret_pair` all of it. False at the end. */
bool cookie_next(struct slice *rest, struct slice *ret_name, struct slice *ret_pair);

/* Whether one of `patterns` (of wire/glob.h, joined by "; ") matches the name. */
bool cookie_is_named(struct slice name, struct slice patterns);

/* Whether there is a cookie of such a name. */
bool cookie_has(struct slice cookies, struct slice patterns);

/* Appends the pairs of such names, joined by "; ". 0 or -errno of buf_append. */
int cookie_select(struct slice cookies, struct slice patterns, struct buf *to);

/* Whether a name can be a cookie's, and as a pattern matches itself alone: a token without `*`, and not too long. */
bool cookie_is_plain_name(struct slice name);
