/*
 * Path patterns of rules: `*` matches any run of bytes within a segment, `**` any run across segments, every other
 * byte itself. Polynomial in time, no recursion, no memory but some kilobytes of stack.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/*
 * NULL, or what is wrong with the pattern in plain words: it must start with "/", hold no `***`, and no byte that a
 * path never holds: `?`, `#`, a bracket or brace, a blank, a backslash, a control byte, one over 0x7E.
 */
const char *glob_check(struct slice pattern);

/* A pattern that ends in a slash and two stars also matches the path without them: "/a" and "/a/". */
bool glob_matches(struct slice pattern, struct slice path);

/* The same, where ASCII case does not count. */
bool glob_matches_nocase(struct slice pattern, struct slice path);

/*
 * Whether every path that `b` matches is matched by `a` too. True only if it is so; it may be missed where `a` has a
 * `*` before a `**`, and the two together take what a `**` of `b` does. Paths start with a slash, so `/` and two stars
 * covers all. Both patterns have passed glob_check; one longer than LIMIT_RULE is not looked into.
 */
bool glob_covers(struct slice a, struct slice b);

/* Whether some path is matched by both. Exact; true where `a` is longer than LIMIT_RULE. */
bool glob_intersects(struct slice a, struct slice b);
