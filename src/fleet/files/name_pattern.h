/* One name and one part of a path_pattern.h: everything but braces and `**`. Pure. The inside of fleet/files. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Whether each bracket in it has its end, and a backslash something to follow it. */
bool name_pattern_is_sound(struct slice pattern);

bool name_pattern_matches(struct slice pattern, struct slice name);

/* Whether what it matches begins with a dot that it says itself. */
bool name_pattern_says_dot(struct slice pattern);

/* Behind the character, the escape or the bracketed set that begins at `at`: for whoever looks for braces. */
size_t name_pattern_next(struct slice pattern, size_t at);
