/*
 * A pattern and, behind the first newline, a path: matched a name at a time, and never where the pattern had led
 * nowhere before. One without anything special matches itself alone.
 */
#include "fleet/files/path_pattern.h"

#include "fleet/files/name_pattern.h"
#include "fuzz.h"

static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (slice_has(SLICE("*?[]{},\\/!."), text.p[i]))
            return false;
    return text.n > 0;
}

static void go(const struct path_patterns *patterns, struct slice path) {
    struct path_state state, next, named;
    bool leads_on = true;

    path_state_begin(patterns, &state);
    while (path.p) {
        leads_on = leads_on && path_state_leads_on(patterns, &state);
        path_state_step(patterns, &state, slice_cut(&path, '/'), &next, &named);
        state = next;
        REQUIRE(leads_on || !path_state_is_matched(patterns, &state));
        for (size_t i = 0; i < patterns->n; i++)
            REQUIRE((named.at[i] & ~state.at[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    struct slice pattern = slice_first(in, slice_index(in, '\n')), path = slice_from(in, pattern.n + 1);
    struct path_patterns patterns = {0};

    if (path_patterns_add(&patterns, pattern) == 0) {
        go(&patterns, path);
        patterns.hides_dots = true;
        go(&patterns, path);
    }
    path_patterns_done(&patterns);
    if (is_plain(pattern))
        REQUIRE(name_pattern_matches(pattern, path) == slice_equals(pattern, path));
    for (size_t at = 0, next; at < pattern.n; at = next) {
        next = name_pattern_next(pattern, at);
        REQUIRE(next > at && next <= pattern.n);
    }
    return 0;
}
