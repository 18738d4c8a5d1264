#include "egress/rules/denial.h"

#include "base/limits.h"
#include "base/macros.h"
#include "wire/glob.h"
#include "wire/uri.h"

/* A path as it may be read; never longer than it was sent. */
struct reading {
    char bytes[LIMIT_TARGET + 1];
};

/* The length of what a server makes of the path, or -1 where nobody can say. */
typedef ptrdiff_t reader(struct slice path, char *to);

static ptrdiff_t read_decoded(struct slice path, char *to) {
    return (ptrdiff_t)uri_percent_decode(path, to);
}

/* As by one server behind another. What a third reading would still make shorter, nobody meant to send. */
static ptrdiff_t read_twice(struct slice path, char *to) {
    struct reading other;
    ptrdiff_t n = uri_normalise_path(path, other.bytes);

    if (n >= 0)
        n = uri_normalise_path(slice_of(other.bytes, (size_t)n), to);
    return n >= 0 && uri_normalise_path(slice_of(to, (size_t)n), other.bytes) == n ? n : -1;
}

/* Escaped slashes and backslashes become a byte that is neither. `to` has room for `path.n`. */
static struct slice veil_slashes(struct slice path, char *to) {
    size_t n = 0;

    for (size_t i = 0; i < path.n;) {
        struct slice front = slice_first(slice_from(path, i), 3);
        bool is_slash = slice_equals_nocase(front, SLICE("%2F")) || slice_equals_nocase(front, SLICE("%5C"));

        to[n++] = is_slash ? '\x7F' : path.p[i];
        i += is_slash ? front.n : 1;
    }
    return slice_of(to, n);
}

/* What stands before a query or a fragment, should a server look for one in what it has decoded. */
static struct slice before_query(struct slice path) {
    return slice_first(path, MIN_OF(slice_index(path, '?'), slice_index(path, '#')));
}

/* Without empty segments, and without what lax servers drop from the end of others. */
static struct slice loosen(struct slice path, struct reading *to) {
    struct slice rest = path, segment;
    size_t n = 0;

    do {
        segment = slice_cut(&rest, '/');
        while (segment.n > 0 && ((unsigned char)segment.p[segment.n - 1] <= ' ' || segment.p[segment.n - 1] == '.'))
            segment.n--;
        if (segment.n == 0)
            continue;
        to->bytes[n++] = '/';
        memcpy(to->bytes + n, segment.p, segment.n);
        n += segment.n;
    } while (rest.p);
    if (segment.n == 0)
        to->bytes[n++] = '/';
    return slice_of(to->bytes, n);
}

static struct slice without_slash(struct slice path) {
    return slice_first(path, path.n - slice_ends_with(path, SLICE("/")));
}

/* A slash at the end of either counts for nothing. */
static bool matches(struct slice pattern, struct slice reading) {
    if (glob_matches_nocase(pattern, reading))
        return true;
    return (slice_ends_with(pattern, SLICE("/")) || slice_ends_with(reading, SLICE("/"))) &&
           glob_matches_nocase(without_slash(pattern), without_slash(reading));
}

/* As the pattern is, and normalised. */
static bool matches_either(struct slice pattern, struct slice reading) {
    char bytes[LIMIT_RULE + 1];
    struct slice normalised;
    ptrdiff_t n;

    if (matches(pattern, reading))
        return true;
    n = uri_normalise_path(pattern, bytes);
    normalised = slice_of(bytes, n < 0 ? 0 : (size_t)n);
    return n >= 0 && !slice_equals(pattern, normalised) && matches(normalised, reading);
}

/* One that is too long to be read denies everything; settings and messages have none. */
static bool denies_path(struct slice pattern, struct slice reading) {
    char veiled[LIMIT_RULE];

    if (pattern.n > LIMIT_RULE || matches_either(pattern, reading))
        return true;
    return slice_has(pattern, '%') && matches_either(veil_slashes(pattern, veiled), reading);
}

static bool denies_method(const struct rule *rule, struct slice method) {
    struct slice denied = slice_of_string(rule->method);

    return slice_equals(denied, SLICE("*")) || slice_equals_nocase(denied, method);
}

/* The first that denies the path as it was read, or without what lax servers drop. */
static const struct rule *first_denial(const struct credential *credential, struct slice method, struct slice path) {
    struct reading loose, cut;
    const struct slice readings[] = {path, loosen(path, &loose), loosen(before_query(path), &cut)};

    for (size_t i = 0; i < credential->n_deny; i++) {
        const struct rule *rule = &credential->deny[i];

        if (!denies_method(rule, method))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(readings); k++)
            if ((k == 0 || !slice_equals(readings[k], readings[k - 1])) &&
                denies_path(slice_of_string(rule->path), readings[k]))
                return rule;
    }
    return NULL;
}

/* Of a path that is not its own normal form. */
static bool find_in_readings(const struct credential *credential, struct slice method, struct slice path,
                             const struct rule **ret_rule) {
    static reader *const readers[] = {read_decoded, uri_normalise_path, read_twice};
    struct reading veiled, reading;
    const struct slice paths[] = {path, veil_slashes(path, veiled.bytes)};
    bool is_readable = true;

    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
            ptrdiff_t n = readers[i](paths[k], reading.bytes);

            is_readable = is_readable && n >= 0;
            if (n >= 0)
                *ret_rule = first_denial(credential, method, slice_of(reading.bytes, (size_t)n));
            if (*ret_rule)
                return true;
        }
    return is_readable;
}

bool denial_find(const struct credential *credential, struct slice method, struct slice path,
                 const struct rule **ret_rule) {
    struct reading normalised;
    ptrdiff_t n;

    *ret_rule = NULL;
    if (credential->n_deny == 0)
        return true;
    *ret_rule = first_denial(credential, method, path);
    if (*ret_rule)
        return true;
    /* a plain path has no second reading */
    n = uri_normalise_path(path, normalised.bytes);
    if (n >= 0 && slice_equals(path, slice_of(normalised.bytes, (size_t)n)))
        return true;
    return find_in_readings(credential, method, path, ret_rule);
}
