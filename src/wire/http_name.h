/*
 * The names of fields that somebody asks for, as numbers: a name is compared with all of them once, when its head is
 * taken apart, and from there on two names are one comparison of numbers, and a list of names is a set of bits. Says
 * nothing about what a field means. Called by the parsers, by whoever makes fields of frames, and through
 * http_field_name by everybody who looks for one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum http_name {
    HTTP_NAME_UNREAD, /* nobody has looked */
    HTTP_NAME_ODD,    /* none of those below, and not of letters, digits and hyphens alone: it may be an alias of one */
    HTTP_NAME_PLAIN,  /* none of those below, and no alias of any */

    HTTP_NAME_A_IM,
    HTTP_NAME_ACCEPT,
    HTTP_NAME_ACCEPT_CHARSET,
    HTTP_NAME_ACCEPT_ENCODING,
    HTTP_NAME_API_KEY,
    HTTP_NAME_APIKEY,
    HTTP_NAME_AUTHORIZATION,
    HTTP_NAME_CACHE_CONTROL,
    HTTP_NAME_CLOSE, /* of no field: an option of Connection */
    HTTP_NAME_CONNECTION,
    HTTP_NAME_CONTENT_LENGTH,
    HTTP_NAME_CONTENT_TYPE,
    HTTP_NAME_COOKIE,
    HTTP_NAME_EXPECT,
    HTTP_NAME_FORWARDED,
    HTTP_NAME_HOST,
    HTTP_NAME_IF_RANGE,
    HTTP_NAME_KEEP_ALIVE,
    HTTP_NAME_MAX_FORWARDS,
    HTTP_NAME_ORIGIN,
    HTTP_NAME_PRIVATE_TOKEN,
    HTTP_NAME_PROXY_AUTHORIZATION,
    HTTP_NAME_PROXY_CONNECTION,
    HTTP_NAME_PURPOSE,
    HTTP_NAME_RANGE,
    HTTP_NAME_REQUEST_RANGE,
    HTTP_NAME_SEC_FETCH_DEST,
    HTTP_NAME_SEC_FETCH_MODE,
    HTTP_NAME_SEC_FETCH_SITE,
    HTTP_NAME_SEC_PURPOSE,
    HTTP_NAME_SEC_WEBSOCKET_ACCEPT,
    HTTP_NAME_SEC_WEBSOCKET_EXTENSIONS,
    HTTP_NAME_SEC_WEBSOCKET_KEY,
    HTTP_NAME_SEC_WEBSOCKET_VERSION,
    HTTP_NAME_SET_COOKIE,
    HTTP_NAME_SET_COOKIE2,
    HTTP_NAME_TE,
    HTTP_NAME_TRAILER,
    HTTP_NAME_TRANSFER_ENCODING,
    HTTP_NAME_UPGRADE,
    HTTP_NAME_USER_AGENT,
    HTTP_NAME_X_ACCESS_TOKEN,
    HTTP_NAME_X_AMZ_SECURITY_TOKEN,
    HTTP_NAME_X_API_KEY,
    HTTP_NAME_X_AUTH_TOKEN,
    HTTP_NAME_X_FORWARDED_FOR,
    HTTP_NAME_X_FORWARDED_HOST,
    HTTP_NAME_X_FORWARDED_PROTO,
    HTTP_NAME_X_GOOG_API_KEY,
    HTTP_NAME_X_HTTP_METHOD,
    HTTP_NAME_X_HTTP_METHOD_OVERRIDE,
    HTTP_NAME_X_METHOD_OVERRIDE,
    HTTP_NAME_X_MOZ,
    HTTP_NAME_X_ORIGINAL_URL,
    HTTP_NAME_X_PURPOSE,
    HTTP_NAME_X_REWRITE_URL,
    HTTP_NAME_X_TOKEN,
    HTTP_NAME_X_VAULT_TOKEN,

    HTTP_NAMES, /* so many, and no more than a set has bits */
};

/* Which one `name` is, in any case of letters. Never HTTP_NAME_UNREAD. */
enum http_name http_name_of(struct slice name);

/*
 * Which one it is to a server for which case does not count, nor which byte stands there if it is no letter and no digit:
 * behind CGI `-` and others may be `_` (RFC 3875 §4.1.18). And whether such a server takes one name for the other.
 */
enum http_name http_name_of_alias(struct slice name);
bool http_name_is_alias(struct slice name, struct slice of);

/* A set is the sum of these. */
#define HTTP_NAME_SET(name) (UINT64_C(1) << HTTP_NAME_##name)

static inline bool http_name_is_in(enum http_name name, uint64_t set) {
    return set >> name & 1;
}

static inline bool http_name_is_known(enum http_name name) {
    return name > HTTP_NAME_PLAIN;
}
