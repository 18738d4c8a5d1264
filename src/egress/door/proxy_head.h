/*
 * What somebody who connects to the proxy asks for, by the first that he sends: a tunnel, one request for another host,
 * or something that is no business of an HTTP proxy, which is named, with what to do about it. Pure: no I/O. Called by
 * proxy_client.c.
 */
#pragma once

#include "relay/problem.h"
#include "wire/connect_target.h"
#include "wire/http_head.h"

struct proxy_ask {
    bool is_connect;
    bool is_tls; /* what is wanted at the far end: CONNECT, or an https target */
    struct connect_target target;
    struct slice credentials; /* for the proxy itself, which asks for none; looks into what came. Empty: none */
};

enum proxy_head_verdict {
    PROXY_HEAD_MORE,
    PROXY_HEAD_WHOLE,
    PROXY_HEAD_REFUSED, /* `*ret_why` says why: constants */
};

/*
 * `in` is all that has come; `*scan` as for http_head_scan. `*ret_length` is where the head ends. What stands in the
 * fields of a request with an absolute target is judged later, by the exchange.
 */
enum proxy_head_verdict proxy_head_read(struct http_head_scan *scan, struct slice in, struct proxy_ask *ret,
                                        size_t *ret_length, struct problem *ret_why);
