#include "config/schema.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "config/value.h"

#define WORD_MAX 31 /* no key of ours is longer */

static size_t min_of_three(size_t a, size_t b, size_t c) {
    return MIN_OF(a, MIN_OF(b, c));
}

/*
 * How many letters must be put in, taken out, changed or swapped with their neighbour to make one of the other
 * ("optimal string alignment"); case does not count. Both at most WORD_MAX long.
 */
static size_t distance(struct slice a, struct slice b) {
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = ascii_lower(a.p[i - 1]), y = ascii_lower(b.p[j - 1]);

            row[j] = min_of_three(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) && y == ascii_lower(a.p[i - 2]))
                row[j] = MIN_OF(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = spare;
    }
    return above[b.n];
}

const char *schema_nearest(const struct schema_key *keys, size_t n_keys, struct slice text) {
    const char *nearest = NULL;
    size_t least = text.n / 3 + 1; /* one letter in three may be wrong */

    if (text.n > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n_keys; i++) {
        struct slice name = slice_of_string(keys[i].name);
        size_t d = name.n <= WORD_MAX ? distance(text, name) : least;

        if (d < least) {
            least = d;
            nearest = keys[i].name;
        }
    }
    return nearest;
}

/* "a, b and c"; the caller's, NULL without memory. */
static char *list_names(const struct schema_key *keys, size_t n_keys) {
    char *names = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&names, &n);

    if (!out)
        return NULL;
    for (size_t i = 0; i < n_keys; i++)
        fprintf(out, "%s%s", i == 0 ? "" : i + 1 < n_keys ? ", " : " and ", keys[i].name);
    if (fclose(out) == 0)
        return names;
    free(names);
    return NULL;
}

/* Below `secret` even the nearest name would tell something of what was written. */
static int refuse_unknown(const struct schema_key *keys, size_t n_keys, const struct node *node) {
    const char *nearest = node_is_secret(node) ? NULL : schema_nearest(keys, n_keys, node_key(node));
    _cleanup_free_ char *known = NULL;

    if (nearest)
        return node_fail(node, "unknown key; did you mean `%s`?", nearest);
    known = list_names(keys, n_keys);
    return node_fail(node, "unknown key; use %s", known ? known : "one that credfd.yaml(5) lists");
}

static const struct schema_key *find_key(const struct schema_key *keys, size_t n_keys, struct slice name) {
    for (size_t i = 0; i < n_keys; i++)
        if (slice_equals(name, slice_of_string(keys[i].name)))
            return &keys[i];
    return NULL;
}

int schema_read(const struct schema_key *keys, size_t n_keys, const struct node *mapping, void *structure) {
    size_t n;
    int r = value_mapping(mapping, &n);

    if (r < 0)
        return r;
    for (const struct node *node = node_first(mapping); node; node = node_next(node)) {
        const struct schema_key *key = find_key(keys, n_keys, node_key(node));

        r = key ? key->read(node, (char *)structure + key->at) : refuse_unknown(keys, n_keys, node);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < n_keys; i++)
        if (keys[i].required && !node_find(mapping, keys[i].name))
            return node_fail_missing(mapping, keys[i].name, keys[i].required);
    return 0;
}
