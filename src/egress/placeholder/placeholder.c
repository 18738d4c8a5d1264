#include "egress/placeholder/placeholder.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "base/macros.h"
#include "base/num.h"

#define RANDOM_MIN 16 /* characters that nobody could guess */

static_assert(LIMIT_PLACEHOLDER == 256 && RANDOM_MIN == 16, "what placeholder_check says of them");

static const struct set {
    struct slice name, characters;
} sets[] = {
    {SLICE("alnum"), SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")},
    {SLICE("alpha"), SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")},
    {SLICE("digit"), SLICE("0123456789")},
    {SLICE("hex"), SLICE("0123456789abcdef")},
    {SLICE("base64url"), SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")},
};

/* A run of the shape: written as it is, or random. */
struct part {
    struct slice literal;
    const struct set *set; /* NULL for a literal */
    uint64_t n;            /* characters */
};

static const struct set *find_set(struct slice name) {
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (slice_equals(name, sets[i].name))
            return &sets[i];
    return NULL;
}

static bool read_set(struct slice text, struct part *ret) {
    struct slice count = text;

    ret->set = find_set(slice_cut(&count, ':'));
    return ret->set && count.p && num_parse(count, LIMIT_PLACEHOLDER, &ret->n) == 0 && ret->n > 0;
}

/* The next part, cut off the front of `rest`. False for a brace that begins or ends none. */
static bool next_part(struct slice *rest, struct part *ret) {
    size_t at = slice_index(*rest, '{'), end;

    *ret = (struct part){0};
    if (at > 0) {
        ret->literal = slice_first(*rest, at);
        ret->n = at;
        *rest = slice_from(*rest, at);
        return !slice_has(ret->literal, '}');
    }
    end = slice_index(*rest, '}');
    if (end == rest->n || !read_set(slice_from(slice_first(*rest, end), 1), ret))
        return false;
    *rest = slice_from(*rest, end + 1);
    return true;
}

static bool is_made_of_print(struct slice shape) {
    for (size_t i = 0; i < shape.n; i++)
        if (shape.p[i] <= ' ' || shape.p[i] > '~' || slice_has(SLICE("\"'`%\\"), shape.p[i]))
            return false;
    return true;
}

const char *placeholder_check(struct slice shape) {
    uint64_t total = 0, random = 0;
    struct part part;

    if (shape.n > LIMIT_PLACEHOLDER)
        return "is longer than 256 characters";
    if (!is_made_of_print(shape))
        return "has a blank, a quote, a backslash, a % or a character that is not ASCII";
    while (shape.n > 0) {
        if (!next_part(&shape, &part))
            return "has a brace that is not one of {alnum:N}, {alpha:N}, {digit:N}, {hex:N} and {base64url:N}, with N "
                   "from 1 to 256";
        total += part.n;
        random += part.set ? part.n : 0;
    }
    if (random < RANDOM_MIN)
        return "has fewer than 16 random characters, and could be met by chance";
    return total > LIMIT_PLACEHOLDER ? "is too long when it is made: more than 256 characters" : NULL;
}

/* One character, each as likely as every other: a byte beyond the last whole round of the set is thrown away. */
static char draw(struct slice characters) {
    size_t fair = 256 - 256 % characters.n;
    unsigned char byte;

    do
        while (getrandom(&byte, sizeof(byte), 0) != sizeof(byte)) {
        }
    while (byte >= fair);
    return characters.p[byte % characters.n];
}

size_t placeholder_make(struct slice shape, char to[static LIMIT_PLACEHOLDER + 1]) {
    struct part part;
    size_t n = 0;

    while (shape.n > 0 && next_part(&shape, &part) && part.n <= LIMIT_PLACEHOLDER - n) {
        if (!part.set)
            memcpy(to + n, part.literal.p, part.n);
        for (size_t i = 0; part.set && i < part.n; i++)
            to[n + i] = draw(part.set->characters);
        n += part.n;
    }
    to[n] = '\0';
    return n;
}
