#include "ingress/pairing/cookie.h"

#include "base/limits.h"
#include "wire/glob.h"
#include "wire/http_head.h"

bool cookie_next(struct slice *rest, struct slice *ret_name, struct slice *ret_pair) {
    while (rest->p) {
        struct slice pair = slice_trim(slice_cut(rest, ';')), value = pair, name = slice_cut(&value, '=');

        if (!value.p || !http_is_token(name))
            continue;
        *ret_name = name;
        *ret_pair = pair;
        return true;
    }
    return false;
}

bool cookie_is_named(struct slice name, struct slice patterns) {
    while (patterns.p) {
        struct slice pattern = slice_trim(slice_cut(&patterns, ';'));

        if (pattern.n > 0 && (slice_equals(pattern, name) || glob_matches(pattern, name)))
            return true;
    }
    return false;
}

bool cookie_has(struct slice cookies, struct slice patterns) {
    struct slice name, pair;

    while (cookie_next(&cookies, &name, &pair))
        if (cookie_is_named(name, patterns))
            return true;
    return false;
}

int cookie_select(struct slice cookies, struct slice patterns, struct buf *to) {
    struct slice name, pair;
    int r = 0;

    while (r == 0 && cookie_next(&cookies, &name, &pair)) {
        if (!cookie_is_named(name, patterns))
            continue;
        if (!buf_is_empty(to))
            r = buf_append(to, SLICE("; "));
        if (r == 0)
            r = buf_append(to, pair);
    }
    return r;
}

bool cookie_is_plain_name(struct slice name) {
    return name.n <= LIMIT_COOKIE_NAME && http_is_token(name) && !slice_has(name, '*');
}
