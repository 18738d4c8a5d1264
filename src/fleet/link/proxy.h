/*
 * Which proxy stands between this machine and the hub, by the variables that every program reads. Pure, but for
 * proxy_of_environment. Used by the supervisor, which has the environment, and by the link.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "wire/uri.h"

/*
 * The values of $HTTPS_PROXY and $NO_PROXY, or of their names in small letters; "" where there is none. Where one is
 * longer than LIMIT_PROXY or LIMIT_NO_PROXY its caller refuses it.
 */
void proxy_of_environment(const char **ret_proxy, const char **ret_no_proxy);

struct proxy {
    char host[LIMIT_HOST + 1]; /* without brackets around an IPv6 address */
    uint16_t port;
    struct slice user_info; /* as written, escaped; looks into the text; empty: none */
};

/*
 * `[http://][user[:password]@]host[:port][/]`. NULL when it is one; else, in plain words that hold nothing of it, what is
 * wrong.
 */
const char *proxy_parse(struct slice text, struct proxy *ret);

/*
 * The proxy that `text` names, when the way to the hub goes by one: not where the hub is on this machine (ws://), nor
 * where `no_proxy` names it. NULL, or what is wrong with `text`, as proxy_parse.
 */
const char *proxy_choose(struct slice text, struct slice no_proxy, const struct uri_upstream *hub, struct proxy *ret,
                         bool *ret_is_needed);

/* What Proxy-Authorization says for it: "Basic ...". `to` is a secret buffer. 0, -EINVAL (a colon in the name) or -errno. */
int proxy_write_authorization(const struct proxy *proxy, struct buf *to);

/*
 * Whether `no_proxy` names the server, as curl(1) reads it: `*`, or a list, with commas or blanks between, of names (they
 * and everything below them, with or without a dot in front), addresses and ranges (10.0.0.0/8) of them, each perhaps with
 * a port. What cannot be understood names nobody.
 */
bool no_proxy_has(struct slice no_proxy, const struct uri_upstream *server);
