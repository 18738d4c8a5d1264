#include "wire/glob.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "wire/http_char.h"

const char *glob_check(struct slice pattern) {
    size_t stars = 0;

    if (!slice_starts_with(pattern, SLICE("/")))
        return "it must start with \"/\"";
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] == '?' || pattern.p[i] == '#')
            return "it may hold no \"?\" and no \"#\": rules see the path alone";
        if (slice_has(SLICE("[]{}"), pattern.p[i]))
            return "brackets and braces mean nothing here: write a rule for each, and %5B for a bracket in a path";
        if (!http_char_is(pattern.p[i], HTTP_CHAR_TARGET))
            return "it holds a blank or another byte that no path has";
        stars = pattern.p[i] == '*' ? stars + 1 : 0;
        if (stars == 3)
            return "it may hold \"*\" and \"**\" but no \"***\"";
    }
    return NULL;
}

/* A star that was passed, and how much of the path it has taken so far: where to go on when the rest does not fit. */
struct star {
    bool is_set;
    size_t next; /* in the pattern, behind the star */
    size_t end;  /* in the path */
};

static bool is_same(char a, char b, bool any_case) {
    return a == b || (any_case && ascii_lower(a) == ascii_lower(b));
}

/*
 * Only the last `**`, and the last `*` behind it, are ever lengthened: the earliest fit of what stands between two
 * stars leaves the later star every choice that a later fit would. When the path has run out, lengthening any of them
 * leaves still less of it.
 */
static bool matches(struct slice pattern, struct slice path, bool any_case) {
    struct star one = {0}, two = {0};
    size_t p = 0, t = 0;

    while (t < path.n || p < pattern.n) {
        if (p + 1 < pattern.n && pattern.p[p] == '*' && pattern.p[p + 1] == '*') {
            p += 2;
            two = (struct star){true, p, t};
            one.is_set = false;
        } else if (p < pattern.n && pattern.p[p] == '*') {
            p++;
            one = (struct star){true, p, t};
        } else if (p < pattern.n && t < path.n && is_same(pattern.p[p], path.p[t], any_case)) {
            p++;
            t++;
        } else if (t == path.n) {
            return false;
        } else if (one.is_set && path.p[one.end] != '/') {
            t = ++one.end;
            p = one.next;
        } else if (two.is_set) {
            t = ++two.end;
            p = two.next;
            one.is_set = false;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_tree(struct slice pattern) {
    return slice_ends_with(pattern, SLICE("/**"));
}

static bool matches_whole_tree(struct slice pattern, struct slice path, bool any_case) {
    if (matches(pattern, path, any_case))
        return true;
    return is_tree(pattern) && matches(slice_first(pattern, pattern.n - 3), path, any_case);
}

bool glob_matches(struct slice pattern, struct slice path) {
    return matches_whole_tree(pattern, path, false);
}

bool glob_matches_nocase(struct slice pattern, struct slice path) {
    return matches_whole_tree(pattern, path, true);
}

/* How many stars stand at `at`: 0, 1 or 2. */
static size_t stars_at(struct slice pattern, size_t at) {
    struct slice rest = slice_from(pattern, at);

    return slice_starts_with(rest, SLICE("**")) ? 2 : slice_starts_with(rest, SLICE("*"));
}

/* `x*` before a slash and two stars at the end takes slashes too: what matches `x*`, or that and the rest, is `x**`. */
static bool star_takes_slash(struct slice pattern, size_t at) {
    return stars_at(pattern, at) == 2 || slice_equals(slice_from(pattern, at), SLICE("*/**"));
}

/*
 * Where in a pattern one may stand when it fits what was read so far. Who stands before a star stands behind it as
 * well: it may take nothing.
 */
struct places {
    bool at[LIMIT_RULE + 1];
};

static bool is_nowhere(struct slice pattern, const struct places *places) {
    return memchr(places->at, 1, pattern.n + 1) == NULL;
}

static bool may_end(struct slice pattern, const struct places *places) {
    return places->at[pattern.n] || (is_tree(pattern) && places->at[pattern.n - 3]);
}

/* Whether what stands before `at` is the path that a tree matches without its ending. Of `/` and two stars, none. */
static bool tree_starts_at(struct slice pattern, size_t at) {
    return at > 0 && at + 3 == pattern.n && is_tree(pattern);
}

/* A byte that is no slash and stands in no pattern: only stars take it. */
#define ODD_BYTE (-1)

static void read_byte(struct slice pattern, struct places *places, int byte) {
    struct places next = {0};

    for (size_t i = 0; i < pattern.n; i++) {
        size_t stars = places->at[i] || next.at[i] ? stars_at(pattern, i) : 0;

        if (places->at[i] && stars == 0 && pattern.p[i] == byte)
            next.at[i + 1] = true;
        if (places->at[i] && stars > 0 && (byte != '/' || star_takes_slash(pattern, i)))
            next.at[i] = true;
        if (next.at[i] && stars > 0)
            next.at[i + stars] = true;
    }
    *places = next;
}

/*
 * Reads what a `**` of another pattern may stand for: a segment, or two, or more. One stays where one would be in each
 * case, which may be too few of the places, never too many. More segments change nothing in the end: who is not in a
 * star that takes slashes has moved on with each, or fallen out.
 */
static void read_anything(struct slice pattern, struct places *places) {
    struct places in_each, before;

    read_byte(pattern, places, ODD_BYTE);
    in_each = *places;
    do {
        before = *places;
        read_byte(pattern, places, '/');
        read_byte(pattern, places, ODD_BYTE);
        for (size_t i = 0; i <= pattern.n; i++)
            in_each.at[i] = in_each.at[i] && places->at[i];
    } while (memcmp(places, &before, sizeof(before)) != 0);
    *places = in_each;
}

/*
 * Reads `b` as if it were a path. An odd byte stands for each `*`: whoever has a place after it, has it after
 * whatever else the `*` may take, nothing included.
 */
bool glob_covers(struct slice a, struct slice b) {
    struct places places = {.at = {true}};

    if (a.n > LIMIT_RULE)
        return false;
    for (size_t i = 0, stars; i < b.n && !is_nowhere(a, &places); i += MAX_OF(stars, 1U)) {
        if (tree_starts_at(b, i) && !may_end(a, &places))
            return false;
        stars = stars_at(b, i);
        if (stars == 2)
            read_anything(a, &places);
        else
            read_byte(a, &places, stars == 1 ? ODD_BYTE : b.p[i]);
    }
    return may_end(a, &places);
}

/* Goes on to all places that some text leads to, of any bytes or of one segment. */
static void read_something(struct slice pattern, struct places *places, bool takes_slash) {
    for (size_t i = 0; i < pattern.n; i++) {
        size_t stars = stars_at(pattern, i);

        if (places->at[i] && (stars > 0 || takes_slash || pattern.p[i] != '/'))
            places->at[i + MAX_OF(stars, 1U)] = true;
    }
}

bool glob_intersects(struct slice a, struct slice b) {
    struct places places = {.at = {true}};

    if (a.n > LIMIT_RULE)
        return true;
    for (size_t i = 0, stars; i < b.n && !is_nowhere(a, &places); i += MAX_OF(stars, 1U)) {
        if (tree_starts_at(b, i) && may_end(a, &places))
            return true;
        stars = stars_at(b, i);
        if (stars > 0)
            read_something(a, &places, star_takes_slash(b, i));
        else
            read_byte(a, &places, b.p[i]);
    }
    return may_end(a, &places);
}
