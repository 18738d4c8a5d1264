/*
 * Path patterns of rules: `*` matches any run of bytes within a segment, `**` any run across segments, every other
 * byte itself. Linear in memory (none), polynomial in time, no recursion.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/*
 * NULL, or what is wrong with the pattern in plain words: it must start with "/", hold no `***`, and no byte that a
 * path never holds: `?`, `#`, a blank, a backslash, a control byte, one over 0x7E.
 */
const char *glob_check(struct slice pattern);

/* A pattern that ends in a slash and two stars also matches the path without them: "/a" and "/a/". */
bool glob_matches(struct slice pattern, struct slice path);
