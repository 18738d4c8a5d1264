#include "wire/query.h"

#include <stdbool.h>

#include "base/num.h"

/* The byte at `*at` as a form decoder reads it: %XX and `+` undone. Moves `*at` behind it. */
static char take_form_byte(struct slice text, size_t *at) {
    size_t i = (*at)++;

    if (text.p[i] == '+')
        return ' ';
    if (text.p[i] == '%' && text.n - i >= 3) {
        int high = num_hex_digit(text.p[i + 1]), low = num_hex_digit(text.p[i + 2]);

        if (high >= 0 && low >= 0) {
            *at += 2;
            return (char)(high << 4 | low);
        }
    }
    return text.p[i];
}

/* PHP turns these into `_` in a name. */
static char fold(char c) {
    return c == '.' || c == ' ' || c == '_' ? '_' : ascii_lower(c);
}

/*
 * Whether some server would read `text`, as it stands before the `=`, as `name`: decoded once, in any case, with
 * PHP's folding, blanks in front ignored, NULs ignored, and cut at a NUL, a blank or a bracket behind it.
 */
static bool is_alike(struct slice text, struct slice name) {
    size_t matched = 0;

    for (size_t at = 0; at < text.n;) {
        char c = take_form_byte(text, &at);

        if (matched == name.n)
            return c == '[' || c == ' ' || c == '\0';
        if (c == '\0' || (c == ' ' && matched == 0))
            continue;
        if (fold(c) != fold(name.p[matched]))
            return false;
        matched++;
    }
    return matched == name.n;
}

static struct slice before_equals(struct slice parameter) {
    return slice_first(parameter, slice_index(parameter, '='));
}

/* Whether any of the parts between semicolons has a name alike. `skip_first` leaves out the front one. */
static bool has_alike(struct slice parameter, struct slice name, bool skip_first) {
    struct slice rest = parameter;

    if (skip_first)
        (void)slice_cut(&rest, ';');
    while (rest.p)
        if (is_alike(before_equals(slice_cut(&rest, ';')), name))
            return true;
    return false;
}

enum query_presence query_find(struct slice query, struct slice name, struct slice *ret_parameter) {
    struct slice rest = query, found = {0};

    while (rest.p) {
        struct slice parameter = slice_cut(&rest, '&');
        bool is_exact = slice_equals(before_equals(parameter), name);

        if (has_alike(parameter, name, is_exact))
            return QUERY_AMBIGUOUS;
        if (!is_exact)
            continue;
        if (found.p)
            return QUERY_AMBIGUOUS;
        found = parameter;
    }
    if (!found.p)
        return QUERY_ABSENT;
    *ret_parameter = found;
    return QUERY_ONCE;
}
