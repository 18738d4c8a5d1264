/*
 * What a head's fields mean together: framing, Host, Connection, Expect, Upgrade. Works on parsed heads, allocates
 * nothing, refuses whatever could be read in two ways.
 */
#pragma once

#include "wire/http_head.h"

enum http_body_kind {
    HTTP_BODY_NONE,    /* no body at all */
    HTTP_BODY_LENGTH,  /* exactly `length` bytes, possibly 0 */
    HTTP_BODY_CHUNKED, /* §7.1 */
    HTTP_BODY_CLOSE,   /* a response that ends with its connection (§6.3 rule 8) */
};

struct http_framing {
    enum http_body_kind kind;
    uint64_t length; /* of HTTP_BODY_LENGTH */
};

/* §6.3 for requests: neither Content-Length nor Transfer-Encoding gives HTTP_BODY_NONE. */
enum http_fault http_request_framing(const struct http_request *request, struct http_framing *ret);

/*
 * §6.3 for responses to a request of `method`. HEAD, 1xx, 204, 304 and a 2xx to CONNECT have no body whatever they
 * declare; for them `*ret_declared` still tells a valid Content-Length (kind HTTP_BODY_LENGTH) or its absence
 * (HTTP_BODY_NONE), for HEAD and 304 pass it on (S 8.6). Otherwise `*ret_declared` equals `*ret`.
 */
enum http_fault http_response_framing(const struct http_response *response, struct slice method,
                                      struct http_framing *ret, struct http_framing *ret_declared);

enum http_target_form { HTTP_TARGET_ORIGIN, HTTP_TARGET_ABSOLUTE, HTTP_TARGET_AUTHORITY, HTTP_TARGET_ASTERISK };

struct http_target {
    enum http_target_form form;
    struct slice authority; /* of absolute- and authority-form */
    struct slice path;      /* "/" when an absolute-form has none; "*" for the asterisk */
    struct slice query;     /* without the "?" */
    bool has_query;
    uint16_t default_port; /* of an absolute-form's scheme */
};

/*
 * §3.2, with our refusals: a byte outside 0x21-0x7E, `#`, a backslash, %00, %0d, %0a, a malformed percent escape.
 * Whether a form is permitted here is the door's business; that asterisk goes with OPTIONS and authority-form with
 * CONNECT is checked.
 */
enum http_fault http_target_parse(struct slice method, struct slice target, struct http_target *ret);

/*
 * S 7.2: exactly one Host (HTTP/1.0 may have none), a uri-host with an optional port of 0 to 65535, no userinfo, no
 * path, no list, no zone id. `*ret` is the value; empty for an HTTP/1.0 request without one.
 */
enum http_fault http_host_check(const struct http_request *request, struct slice *ret);

/*
 * Two authorities after canonicalisation: case, one trailing dot, a stray colon and the scheme's default port do not
 * count. `default_port` is 80 or 443.
 */
bool http_authority_equals(struct slice a, struct slice b, uint16_t default_port);

/* Whether `option` (any case) is among those that the Connection fields name. */
bool http_connection_has(const struct http_fields *fields, struct slice option);

/*
 * The first field whose name might be taken for another one: it has a `_` in it, or but for `.` and `-` it is one of
 * `trusted`. Gateways that make variables of names make the same one of such two. NULL: there is none.
 */
const struct http_field *http_fields_find_alias(const struct http_fields *fields, const struct slice *trusted,
                                                size_t n_trusted);

/*
 * Removes the hop-by-hop fields (S 7.6.1) in place: Connection and each field it names, Keep-Alive, Proxy-Connection,
 * Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade. Call it before anything is put in, so that a sender can
 * never remove what we add. HTTP_BAD_CONNECTION when Connection names Host, Content-Length, Authorization or one of
 * `protected_names`, or is no list of tokens, LIMIT_FIELDS at most; then nothing was removed. `*ret_close` and
 * `*ret_keep_alive` tell whether those options were named.
 */
enum http_fault http_fields_strip_hop_by_hop(struct http_fields *fields, const struct slice *protected_names,
                                             size_t n_protected, bool *ret_close, bool *ret_keep_alive);

/*
 * Expect: absent, or `100-continue` (any case, once). Ignored in HTTP/1.0 (S 10.1.1). HTTP_BAD_EXPECT for any other.
 */
enum http_fault http_expect_check(const struct http_request *request, bool *ret_continue);
