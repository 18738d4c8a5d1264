/*
 * Patterns of paths, as hubs write them (and doublestar reads them): `*` is any characters within a name, `?` one of
 * them, `[a-z]` and `[^a-z]` one of a set, `{a,b/c}` one or the other, a `**` that stands alone between slashes any
 * number of directories, none as well, and a backslash takes its meaning from what follows. Matched a name at a time,
 * so that a walk knows which directories lead nowhere. Polynomial in time. Pure. The inside of fleet/files.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

/* One pattern with its braces written out. */
struct path_pattern {
    char *text;
    struct slice segments[LIMIT_GLOB_SEGMENTS]; /* look into `text` */
    size_t n;
};

struct path_patterns {
    struct path_pattern *patterns;
    size_t n;
    bool hides_dots; /* a name that begins with a dot is matched by a pattern that says the dot, and by no other */
};

/*
 * Where a path has come to in each of them: bit i, that segment i is what comes next; bit n, that all of it is matched.
 */
struct path_state {
    uint64_t at[LIMIT_GLOB_ALTERNATIVES];
};

/* 0, -EINVAL (a bracket or brace without its end), -E2BIG (too long, or too many) or -ENOMEM. */
int path_patterns_add(struct path_patterns *patterns, struct slice text);
void path_patterns_done(struct path_patterns *patterns);

void path_state_begin(const struct path_patterns *patterns, struct path_state *ret);

/*
 * One name further: what becomes of the state. `named`, which may be NULL, is the part of it that a segment other than
 * `**` brought: for a link that is to be followed, since that ends.
 */
void path_state_step(const struct path_patterns *patterns, const struct path_state *from, struct slice name,
                     struct path_state *ret, struct path_state *named);

/* Whether the path is matched; whether one below it may be. */
bool path_state_is_matched(const struct path_patterns *patterns, const struct path_state *state);
bool path_state_leads_on(const struct path_patterns *patterns, const struct path_state *state);
