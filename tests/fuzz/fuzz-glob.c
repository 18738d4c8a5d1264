#include "fuzz.h"
#include "wire/glob.h"

/* An input is a pattern, LF, a path. */

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice path = slice_of(size > 0 ? (const void *)data : "", size), pattern = slice_cut(&path, '\n');
    bool expected;

    if (!path.p || pattern.n > LIMIT || path.n > LIMIT || glob_check(pattern))
        return 0;
    expected = matches_by_table(pattern, path);
    if (slice_ends_with(pattern, SLICE("/**")))
        expected = expected || matches_by_table(slice_first(pattern, pattern.n - 3), path);
    REQUIRE(glob_matches(pattern, path) == expected);
    return 0;
}
