/*
 * What a request tells of the browser that sent it: whether a person opens a document with it, where that person may be
 * sent back to, and which cookies came along. Rules alone, pure: called by the dispatcher for each request.
 */
#pragma once

#include "base/limits.h"
#include "relay/upstream.h"

/*
 * Whether a person has opened a document: the one kind of request that is answered with a pairing, or with a page. A
 * request that only fetches something for a document, that looks ahead, or that upgrades, is none.
 */
bool navigation_is_document(const struct request_head *request);

/*
 * Whether another site's page has made the browser ask for more than a look: a WebSocket, which no same-origin rule holds
 * back, or a method that changes something. An instance that has sessions of its own judges that itself; for one that has
 * none, the dispatcher must.
 */
bool navigation_is_foreign(const struct request_head *request);

#define NAVIGATION_BACK_MAX (LIMIT_TARGET + 1)

/*
 * Where a redirect leads back to: the path and query that were asked for when they can only mean this very origin,
 * else "/".
 */
struct slice navigation_back(const struct request_head *request, char to[static NAVIGATION_BACK_MAX]);

/* Whether a cookie is among the request's whose name one of `patterns` matches (wire/glob.h, joined by "; "). */
bool navigation_has_cookie(const struct http_field *fields, size_t n, struct slice patterns);

/* Every Cookie field, joined by "; ": whole cookies, as many as there is room for. Empty when there is none. */
struct slice navigation_cookies(const struct http_field *fields, size_t n, char to[static LIMIT_COOKIE]);
