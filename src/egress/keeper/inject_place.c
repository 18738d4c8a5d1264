#include "egress/keeper/inject_place.h"

#include <errno.h>

#include "base/limits.h"
#include "base/macros.h"
#include "wire/base64.h"
#include "wire/http_head.h"
#include "wire/uri.h"

static int put_escaped(struct buf *to, struct slice text, size_t (*escape)(struct slice text, char *to)) {
    size_t room;
    char *at;

    if (3 * text.n > buf_room(to))
        return -ENOBUFS;
    at = buf_reserve(to, 3 * text.n, &room);
    if (!at)
        return -errno;
    buf_commit(to, escape(text, at));
    return 0;
}

int inject_put_parameter(struct buf *to, const struct inject *inject, struct slice secret) {
    int r = put_escaped(to, slice_of_string(inject->name), uri_percent_encode);

    if (r == 0)
        r = buf_append(to, SLICE("="));
    return r == 0 ? put_escaped(to, secret, uri_percent_encode) : r;
}

/* What stands around the {} of a format. */
static bool cut_format(const char *format, struct slice *ret_before, struct slice *ret_after) {
    const char *place = strstr(format, "{}");

    if (!place)
        return false;
    *ret_before = slice_of(format, (size_t)(place - format));
    *ret_after = slice_of_string(place + 2);
    return true;
}

/* RFC 3986 §3.3: what a dot segment names is decided by what stands before it, and that would be ours. */
static bool has_dot_segment(struct slice path) {
    while (path.p) {
        struct slice segment = slice_cut(&path, '/');

        if (slice_equals(segment, SLICE(".")) || slice_equals(segment, SLICE("..")))
            return true;
    }
    return false;
}

int inject_put_path(struct buf *to, const struct inject *inject, struct slice secret) {
    size_t start = buf_length(to);
    struct slice before, after;
    int r;

    if (!cut_format(inject->format, &before, &after))
        return -EINVAL;
    r = buf_append(to, before);
    if (r == 0)
        r = put_escaped(to, secret, uri_percent_encode_segment);
    if (r == 0)
        r = buf_append(to, after);
    if (r == 0 && has_dot_segment(slice_from(buf_slice(to), start)))
        r = -EINVAL;
    return r;
}

/* Blanks at its ends are no part of a value (S 5.5): a secret that has some is sent as it is, and read without them. */
int inject_put_header(struct buf *to, const struct inject *inject, struct slice secret) {
    struct slice parts[] = {
        slice_of_string(inject->name), SLICE(": "), SLICE_EMPTY, secret, SLICE_EMPTY, SLICE("\r\n")};

    if (!cut_format(inject->format, &parts[2], &parts[4]) || !http_is_field_value(slice_trim(secret)))
        return -EINVAL;
    return buf_append_rest(to, parts, ARRAY_LEN(parts), 0);
}

/* RFC 7617 §2: neither half may hold one. */
static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == '\x7F')
            return true;
    return false;
}

/* The pair is put together where its encoding will stand, and is overwritten by it. */
int inject_put_pair(struct buf *to, const struct inject *inject, struct slice secret) {
    bool is_user_given = inject->kind == INJECT_BASIC_USER;
    struct slice given = slice_of_string(inject->name);
    struct slice user = is_user_given ? given : secret, password = is_user_given ? secret : given;
    size_t n = user.n + 1 + password.n, encoded = BASE64_LENGTH(n), room;
    char *at, *pair;

    /* RFC 7617 §2: the first colon ends the user */
    if (slice_has(user, ':') || has_control(user) || has_control(password))
        return -EINVAL;
    if (encoded > buf_room(to))
        return -ENOBUFS;
    at = buf_reserve(to, encoded, &room);
    if (!at)
        return -errno;
    pair = at + encoded - n;
    memcpy(pair, user.p, user.n);
    pair[user.n] = ':';
    memcpy(pair + user.n + 1, password.p, password.n);
    buf_commit(to, base64_encode(slice_of(pair, n), at));
    return 0;
}

/* RFC 6265 §4.1.1: cookie-octet */
static bool is_cookie_value(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~' || slice_has(SLICE("\",;\\"), text.p[i]))
            return false;
    return true;
}

int inject_put_cookie(struct buf *to, const struct inject *inject, struct slice secret) {
    const struct slice parts[] = {slice_of_string(inject->name), SLICE("="), secret};

    return is_cookie_value(secret) ? buf_append_rest(to, parts, ARRAY_LEN(parts), 0) : -EINVAL;
}
