#include "fleet/files/name_pattern.h"

#include <stdint.h>

#include "base/utf8.h"

/* Takes a character from the front; a byte that begins none is one, beyond all characters. */
static uint32_t take(struct slice *from) {
    uint32_t code;
    size_t n = utf8_next(*from, &code);

    if (n == 0) {
        code = 0x110000u + (unsigned char)from->p[0];
        n = 1;
    }
    *from = slice_from(*from, n);
    return code;
}

/* The same of a set's member, where a backslash takes meaning away. False at the set's end and at the pattern's. */
static bool take_member(struct slice *from, bool is_first, uint32_t *ret) {
    if (from->n == 0 || (from->p[0] == ']' && !is_first))
        return false;
    if (from->p[0] == '\\' && from->n > 1)
        *from = slice_from(*from, 1);
    *ret = take(from);
    return true;
}

/*
 * `*from` begins with `[`; afterwards it begins behind the `]`. Whether `code` is of the set is in `*ret`; false where
 * the set does not end, and then `*from` is as it was.
 */
static bool take_set(struct slice *from, uint32_t code, bool *ret) {
    struct slice rest = slice_from(*from, 1);
    bool is_inverted = rest.n > 0 && (rest.p[0] == '!' || rest.p[0] == '^'), has = false, is_first = true;
    uint32_t low, high;

    if (is_inverted)
        rest = slice_from(rest, 1);
    for (; take_member(&rest, is_first, &low); is_first = false) {
        high = low;
        if (rest.n > 1 && rest.p[0] == '-' && rest.p[1] != ']') {
            rest = slice_from(rest, 1);
            if (!take_member(&rest, true, &high))
                return false;
        }
        has = has || (code >= low && code <= high);
    }
    if (rest.n == 0)
        return false;
    *from = slice_from(rest, 1);
    *ret = has != is_inverted;
    return true;
}

/* One step of both, anything but a `*`. False when they part; then both are as they were. */
static bool take_one(struct slice *pattern, struct slice *name) {
    struct slice p = *pattern, n = *name;
    bool is_same = false;
    uint32_t code;

    if (p.n == 0 || n.n == 0)
        return false;
    code = take(&n);
    if (p.p[0] == '[') {
        if (!take_set(&p, code, &is_same))
            return false;
    } else if (p.p[0] == '?') {
        p = slice_from(p, 1);
        is_same = true;
    } else {
        if (p.p[0] == '\\' && p.n > 1)
            p = slice_from(p, 1);
        is_same = take(&p) == code;
    }
    if (is_same) {
        *pattern = p;
        *name = n;
    }
    return is_same;
}

/* Only the last `*` ever takes more: what those before it took was the least, and that leaves the most. */
bool name_pattern_matches(struct slice pattern, struct slice name) {
    struct slice star = {0}, taken = {0}; /* behind the last star, and what it has not taken yet */

    while (pattern.n > 0 || name.n > 0) {
        if (pattern.n > 0 && pattern.p[0] == '*') {
            pattern = star = slice_from(pattern, 1);
            taken = name;
        } else if (!take_one(&pattern, &name)) {
            if (!star.p || taken.n == 0)
                return false;
            (void)take(&taken);
            pattern = star;
            name = taken;
        }
    }
    return true;
}

bool name_pattern_says_dot(struct slice pattern) {
    return slice_starts_with(pattern, SLICE(".")) || slice_starts_with(pattern, SLICE("\\."));
}

size_t name_pattern_next(struct slice pattern, size_t at) {
    struct slice rest = slice_from(pattern, at);
    bool ignored;

    if (rest.p[0] == '\\' && rest.n > 1)
        return at + 2;
    if (rest.p[0] == '[' && take_set(&rest, 0, &ignored))
        return pattern.n - rest.n;
    return at + 1;
}

bool name_pattern_is_sound(struct slice pattern) {
    bool ignored;

    for (size_t at = 0; at < pattern.n; at = name_pattern_next(pattern, at)) {
        struct slice rest = slice_from(pattern, at);

        if ((rest.p[0] == '[' && !take_set(&rest, 0, &ignored)) || (rest.p[0] == '\\' && rest.n == 1))
            return false;
    }
    return true;
}
