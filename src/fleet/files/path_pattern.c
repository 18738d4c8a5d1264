#include "fleet/files/path_pattern.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "fleet/files/name_pattern.h"

static bool is_any_depth(struct slice segment) {
    return slice_equals(segment, SLICE("**"));
}

/* Empty parts and dots say nothing; `..` stays, and matches no name. */
static int split(struct path_pattern *pattern) {
    struct slice rest = slice_of_string(pattern->text);

    while (rest.p) {
        struct slice segment = slice_cut(&rest, '/');
        bool is_repeated = pattern->n > 0 && is_any_depth(segment) && is_any_depth(pattern->segments[pattern->n - 1]);

        if (segment.n == 0 || slice_equals(segment, SLICE(".")) || is_repeated)
            continue;
        if (pattern->n == LIMIT_GLOB_SEGMENTS)
            return -E2BIG;
        if (!name_pattern_is_sound(segment))
            return -EINVAL;
        pattern->segments[pattern->n++] = segment;
    }
    return 0;
}

/* Takes `text` over. */
static int add_plain(struct path_patterns *patterns, char *text) {
    struct path_pattern *grown, *pattern;

    if (patterns->n == LIMIT_GLOB_ALTERNATIVES) {
        free(text);
        return -E2BIG;
    }
    grown = reallocarray(patterns->patterns, patterns->n + 1, sizeof(*grown));
    if (!grown) {
        free(text);
        return -ENOMEM;
    }
    patterns->patterns = grown;
    pattern = &grown[patterns->n++];
    *pattern = (struct path_pattern){.text = text};
    return split(pattern);
}

/*
 * Of the `{` at `open`: where the comma or brace stands that ends what begins at `from`. `text.n` when there is none.
 */
static size_t find_end(struct slice text, size_t from) {
    size_t depth = 0;

    for (size_t i = from; i < text.n; i = name_pattern_next(text, i)) {
        if (text.p[i] == '{')
            depth++;
        else if (depth == 0 && (text.p[i] == ',' || text.p[i] == '}'))
            return i;
        else if (text.p[i] == '}')
            depth--;
    }
    return text.n;
}

static char *join(struct slice before, struct slice middle, struct slice after) {
    char *text = malloc(before.n + middle.n + after.n + 1), *end = text;

    if (!text)
        return NULL;
    end = mempcpy(end, before.p, before.n);
    end = mempcpy(end, middle.p, middle.n);
    end = mempcpy(end, after.p, after.n);
    *end = '\0';
    return text;
}

/*
 * Takes `text` over. The first brace is written out, once for each of its alternatives, and so on with each of those:
 * as many are made as there are patterns in the end, and each time there is one brace less.
 */
static int add_braced(struct path_patterns *patterns, char *memory) {
    _cleanup_free_ char *owned = memory;
    struct slice text = slice_of_string(memory);
    size_t open = 0, close, at;
    int r = 0;

    while (open < text.n && text.p[open] != '{')
        open = name_pattern_next(text, open);
    if (open >= text.n)
        return add_plain(patterns, steal_pointer(&owned));
    for (close = find_end(text, open + 1); close < text.n && text.p[close] != '}';)
        close = find_end(text, close + 1);
    if (close >= text.n)
        return -EINVAL;
    for (at = open + 1; r == 0 && at <= close;) {
        size_t end = find_end(text, at);
        char *one = join(slice_first(text, open), slice_of(text.p + at, end - at), slice_from(text, close + 1));

        r = one ? add_braced(patterns, one) : -ENOMEM;
        at = end + 1;
    }
    return r;
}

int path_patterns_add(struct path_patterns *patterns, struct slice text) {
    char *memory;

    if (slice_has(text, '\0'))
        return -EINVAL;
    if (text.n > LIMIT_GLOB_PATTERN)
        return -E2BIG;
    memory = join(text, SLICE_EMPTY, SLICE_EMPTY);
    return memory ? add_braced(patterns, memory) : -ENOMEM;
}

void path_patterns_done(struct path_patterns *patterns) {
    for (size_t i = 0; i < patterns->n; i++)
        free(patterns->patterns[i].text);
    free(patterns->patterns);
    *patterns = (struct path_patterns){0};
}

#define BIT(i) (UINT64_C(1) << (i))
_Static_assert(LIMIT_GLOB_SEGMENTS < 64, "a bit for each, and one for the end");

/* Where a `**` comes next, what is behind it may come too. */
static uint64_t closure(const struct path_pattern *pattern, uint64_t at) {
    for (size_t i = 0; i < pattern->n; i++)
        if (at & BIT(i) && is_any_depth(pattern->segments[i]))
            at |= BIT(i + 1);
    return at;
}

void path_state_begin(const struct path_patterns *patterns, struct path_state *ret) {
    for (size_t i = 0; i < patterns->n; i++)
        ret->at[i] = closure(&patterns->patterns[i], BIT(0));
}

static uint64_t step(const struct path_pattern *pattern, uint64_t from, struct slice name, bool hides_dots,
                     uint64_t *ret_named) {
    bool is_hidden = hides_dots && name.n > 0 && name.p[0] == '.';
    uint64_t through = 0, named = 0;

    for (size_t i = 0; i < pattern->n; i++) {
        struct slice segment = pattern->segments[i];

        if (!(from & BIT(i)))
            continue;
        if (is_any_depth(segment))
            through |= is_hidden ? 0 : BIT(i);
        else if ((!is_hidden || name_pattern_says_dot(segment)) && name_pattern_matches(segment, name))
            named |= BIT(i + 1);
    }
    *ret_named = closure(pattern, named);
    return closure(pattern, named | through);
}

void path_state_step(const struct path_patterns *patterns, const struct path_state *from, struct slice name,
                     struct path_state *ret, struct path_state *named) {
    for (size_t i = 0; i < patterns->n; i++) {
        uint64_t by_name;

        ret->at[i] = step(&patterns->patterns[i], from->at[i], name, patterns->hides_dots, &by_name);
        if (named)
            named->at[i] = by_name;
    }
}

bool path_state_is_matched(const struct path_patterns *patterns, const struct path_state *state) {
    for (size_t i = 0; i < patterns->n; i++)
        if (state->at[i] & BIT(patterns->patterns[i].n))
            return true;
    return false;
}

bool path_state_leads_on(const struct path_patterns *patterns, const struct path_state *state) {
    for (size_t i = 0; i < patterns->n; i++)
        if (state->at[i] & (BIT(patterns->patterns[i].n) - 1))
            return true;
    return false;
}
