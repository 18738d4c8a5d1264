#include "ingress/visit/navigation.h"

#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/pairing/cookie.h"

static bool accepts_html(struct slice accept) {
    while (accept.p) {
        struct slice range = slice_cut(&accept, ',');

        if (slice_equals_nocase(slice_trim(slice_cut(&range, ';')), SLICE("text/html")))
            return true;
    }
    return false;
}

/* Fetch metadata (W3C), and what browsers said before it was there. */
struct purpose {
    bool has_dest, is_document;
    bool has_mode, is_navigate;
    bool is_cross_site, is_ahead, accepts_html;
};

static void look_at(const struct http_field *field, struct purpose *to) {
    struct slice value = field->value;

    switch ((int)http_field_name(field)) {
    case HTTP_NAME_SEC_FETCH_DEST:
        to->is_document = (!to->has_dest || to->is_document) && slice_equals(value, SLICE("document"));
        to->has_dest = true;
        break;
    case HTTP_NAME_SEC_FETCH_MODE:
        to->is_navigate = (!to->has_mode || to->is_navigate) && slice_equals(value, SLICE("navigate"));
        to->has_mode = true;
        break;
    case HTTP_NAME_SEC_FETCH_SITE:
        to->is_cross_site = to->is_cross_site || slice_equals(value, SLICE("cross-site"));
        break;
    case HTTP_NAME_SEC_PURPOSE:
    case HTTP_NAME_PURPOSE:
    case HTTP_NAME_X_PURPOSE:
    case HTTP_NAME_X_MOZ:
        to->is_ahead = true; /* "prefetch", "preview", "prerender": nobody looks at it yet */
        break;
    case HTTP_NAME_ACCEPT:
        to->accepts_html = to->accepts_html || accepts_html(value);
        break;
    default:
        break;
    }
}

/*
 * Login CSRF, thought through. A stranger's page can make a browser open a document here, and so cause a pairing. It
 * cannot choose whose: the front names the person by its own session, whatever the request says, so a browser is only
 * ever given a session in the instance of the person who sits before it, and nobody finds himself signed in as somebody
 * else. What is left to the stranger is that a session is made (so often as the pairer's rate allows), and which of the
 * person's own documents is opened, by GET. That much a link in a mail may do, and must. Not more: what another site
 * fetches, frames or has loaded ahead would make sessions behind the person's back, and is no navigation here.
 */
bool navigation_is_document(const struct request_head *request) {
    struct purpose purpose = {0};

    if (WEAKENED(NAVIGATION))
        return true;
    if (!slice_equals(request->method, SLICE("GET")) || request->is_upgrade)
        return false;
    for (size_t i = 0; i < request->n_fields; i++)
        look_at(&request->fields[i], &purpose);
    if (purpose.is_ahead || (purpose.has_mode && !purpose.is_navigate) ||
        (purpose.is_cross_site && !purpose.is_navigate))
        return false;
    return purpose.has_dest ? purpose.is_document : purpose.accepts_html;
}

/* RFC 6454 §7: "scheme://authority", or "null" for one that nobody may know. */
static bool is_own_origin(struct slice origin, struct slice host) {
    if (slice_starts_with(origin, SLICE("https://")))
        return http_authority_equals(slice_from(origin, strlen("https://")), host, 443);
    return slice_starts_with(origin, SLICE("http://")) &&
           http_authority_equals(slice_from(origin, strlen("http://")), host, 80);
}

bool navigation_is_foreign(const struct request_head *request) {
    bool is_safe = slice_equals(request->method, SLICE("GET")) || slice_equals(request->method, SLICE("HEAD")) ||
                   slice_equals(request->method, SLICE("OPTIONS"));

    if ((is_safe && !request->is_upgrade) || WEAKENED(FOREIGN))
        return false;
    for (size_t i = 0; i < request->n_fields; i++) {
        const struct http_field *field = &request->fields[i];

        if (http_field_name(field) == HTTP_NAME_ORIGIN && !is_own_origin(field->value, request->host))
            return true;
        if (http_field_name(field) == HTTP_NAME_SEC_FETCH_SITE &&
            (slice_equals(field->value, SLICE("cross-site")) || slice_equals(field->value, SLICE("same-site"))))
            return true;
    }
    return false;
}

/* To a browser a backslash is a slash, and a control byte is nothing at all (WHATWG URL). */
static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f || text.p[i] == '\\' || text.p[i] == '#')
            return false;
    return true;
}

static bool leads_back(const struct request_head *request) {
    struct slice path = request->path;

    return path.n > 0 && path.p[0] == '/' && (path.n == 1 || path.p[1] != '/') && is_plain(path) &&
           is_plain(request->query) && path.n + request->query.n + 1 <= NAVIGATION_BACK_MAX;
}

struct slice navigation_back(const struct request_head *request, char to[static NAVIGATION_BACK_MAX]) {
    size_t n = request->path.n;

    if (!leads_back(request) && !WEAKENED(BACK))
        return SLICE("/");
    memcpy(to, request->path.p, n);
    if (request->has_query) {
        to[n++] = '?';
        if (request->query.n > 0)
            memcpy(to + n, request->query.p, request->query.n);
        n += request->query.n;
    }
    return slice_of(to, n);
}

static bool is_cookie(const struct http_field *field) {
    return http_field_name(field) == HTTP_NAME_COOKIE;
}

bool navigation_has_cookie(const struct http_field *fields, size_t n, struct slice patterns) {
    for (size_t i = 0; i < n; i++)
        if (is_cookie(&fields[i]) && cookie_has(fields[i].value, patterns))
            return true;
    return false;
}

struct slice navigation_cookies(const struct http_field *fields, size_t n, char to[static LIMIT_COOKIE]) {
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        struct slice rest = is_cookie(&fields[i]) ? fields[i].value : (struct slice){0};

        while (rest.p) {
            struct slice cookie = slice_trim(slice_cut(&rest, ';'));
            size_t joint = used > 0 ? 2 : 0;

            if (cookie.n == 0 || used + joint + cookie.n > LIMIT_COOKIE)
                continue;
            memcpy(to + used, "; ", joint);
            memcpy(to + used + joint, cookie.p, cookie.n);
            used += joint + cookie.n;
        }
    }
    return slice_of(to, used);
}
