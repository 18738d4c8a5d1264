#include "wire/glob.h"

#include <stddef.h>

#include "wire/http_char.h"

const char *glob_check(struct slice pattern) {
    size_t stars = 0;

    if (!slice_starts_with(pattern, SLICE("/")))
        return "it must start with \"/\"";
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] == '?' || pattern.p[i] == '#')
            return "it may hold no \"?\" and no \"#\": rules see the path alone";
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

/*
 * Only the last `**`, and the last `*` behind it, are ever lengthened: the earliest fit of what stands between two
 * stars leaves the later star every choice that a later fit would. When the path has run out, lengthening any of them
 * leaves still less of it.
 */
static bool matches(struct slice pattern, struct slice path) {
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
        } else if (p < pattern.n && t < path.n && pattern.p[p] == path.p[t]) {
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

bool glob_matches(struct slice pattern, struct slice path) {
    if (matches(pattern, path))
        return true;
    return slice_ends_with(pattern, SLICE("/**")) && matches(slice_first(pattern, pattern.n - 3), path);
}
