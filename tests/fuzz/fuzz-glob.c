#include "base/macros.h"
#include "fuzz.h"
#include "wire/glob.h"

/* An input is a pattern, LF, a path, and LF and another pattern if there is to be one. */

#define LIMIT 200

/*
 * The definition as a table: row i tells which of the path's fronts the first i bytes of the pattern match. Slow,
 * hungry and plain, where the matcher is none of them.
 */
static bool matches_by_table(struct slice pattern, struct slice path) {
    bool now[LIMIT + 1] = {true}, next[LIMIT + 1];

    for (size_t i = 0; i < pattern.n; i++) {
        bool is_star = pattern.p[i] == '*';
        bool is_double = is_star && i + 1 < pattern.n && pattern.p[i + 1] == '*';

        for (size_t t = 0; t <= path.n; t++) {
            if (is_star)
                next[t] = now[t] || (t > 0 && next[t - 1] && (is_double || path.p[t - 1] != '/'));
            else
                next[t] = t > 0 && now[t - 1] && pattern.p[i] == path.p[t - 1];
        }
        memcpy(now, next, sizeof(now));
        i += is_double;
    }
    return now[path.n];
}

static bool expected_match(struct slice pattern, struct slice path) {
    return matches_by_table(pattern, path) ||
           (slice_ends_with(pattern, SLICE("/**")) && matches_by_table(slice_first(pattern, pattern.n - 3), path));
}

/* A path of the pattern: each star takes up to seven bytes off the front of `filling`, `*` as far as the next slash. */
static struct slice fill(struct slice pattern, struct slice filling, char to[static 8 * LIMIT]) {
    size_t n = 0;

    for (size_t i = 0; i < pattern.n; i++) {
        bool is_double = slice_starts_with(slice_from(pattern, i), SLICE("**"));
        size_t taken;

        if (pattern.p[i] != '*') {
            to[n++] = pattern.p[i];
            continue;
        }
        taken = filling.n > 0 ? (size_t)filling.p[0] % 8 : 0;
        taken = slice_first(filling, is_double ? taken : MIN_OF(taken, slice_index(filling, '/'))).n;
        memcpy(to + n, filling.p, taken);
        n += taken;
        filling = slice_from(filling, taken > 0 ? taken : 1);
        i += is_double;
    }
    return slice_of(to, n);
}

static void try_two(struct slice a, struct slice b, struct slice path) {
    char bytes[8 * LIMIT];
    bool covers = glob_covers(a, b), intersects = glob_intersects(a, b);
    struct slice filled = fill(b, path, bytes);

    REQUIRE(glob_matches(b, filled));
    REQUIRE(!covers || glob_matches(a, filled));
    REQUIRE(!covers || intersects);
    REQUIRE(intersects || !glob_matches(a, filled));
    REQUIRE(intersects == glob_intersects(b, a));
    if (slice_starts_with(path, SLICE("/")) && glob_matches(b, path)) {
        REQUIRE(!covers || glob_matches(a, path));
        REQUIRE(intersects || !glob_matches(a, path));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = slice_of(size > 0 ? (const void *)data : "", size), pattern, path, other;

    pattern = slice_cut(&rest, '\n');
    if (!rest.p)
        return 0;
    path = slice_cut(&rest, '\n');
    other = rest.p ? rest : SLICE("/**");
    if (pattern.n > LIMIT || path.n > LIMIT || other.n > LIMIT || glob_check(pattern) || glob_check(other))
        return 0;
    REQUIRE(glob_matches(pattern, path) == expected_match(pattern, path));
    REQUIRE(!glob_matches(pattern, path) || glob_matches_nocase(pattern, path));
    REQUIRE(glob_covers(pattern, pattern) && glob_covers(SLICE("/**"), pattern));
    try_two(pattern, other, path);
    try_two(other, pattern, path);
    return 0;
}
