#include "egress/rules/suggest_merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "wire/glob.h"

#define SEGMENTS_MAX 64 /* of one path that are looked at: those behind are compared as they are */
#define HEX_LEAST 7     /* digits of an abbreviated hash */

void suggest_rule_done(struct suggest_rule *rule) {
    free(rule->wide);
    *rule = (struct suggest_rule){0};
}

static size_t length_of(const struct suggest_rule *rule) {
    return rule->method.n + 1 + rule->path.n;
}

bool suggest_fits(const struct suggest_rule *rules, size_t n) {
    size_t length = 0;

    for (size_t i = 0; i < n; i++)
        length += length_of(&rules[i]);
    return n <= LIMIT_RULES && length <= LIMIT_RULES_TEXT;
}

static int compare_slices(struct slice a, struct slice b) {
    size_t n = MIN_OF(a.n, b.n);
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_rules(const void *a, const void *b) {
    const struct suggest_rule *one = a, *other = b;
    int order = compare_slices(one->path, other->path);

    return order != 0 ? order : compare_slices(one->method, other->method);
}

/* Sorted, those that are the same stand beside each other. */
static size_t unite_equal(struct suggest_rule *rules, size_t n) {
    size_t kept = 0;

    if (n == 0)
        return 0;
    qsort(rules, n, sizeof(*rules), compare_rules);
    for (size_t i = 1; i < n; i++) {
        if (compare_rules(&rules[kept], &rules[i]) == 0) {
            rules[kept].n += rules[i].n;
            suggest_rule_done(&rules[i]);
        } else if (++kept < i) {
            rules[kept] = rules[i];
            rules[i] = (struct suggest_rule){0};
        }
    }
    return kept + 1;
}

/* The segment number `k`, the first being 0; its `p` is NULL where there is none. */
static struct slice segment_of(struct slice path, size_t k) {
    struct slice rest = slice_from(path, 1), segment;

    do {
        segment = slice_cut(&rest, '/');
    } while (k-- > 0 && rest.p);
    return k == SIZE_MAX ? segment : (struct slice){0};
}

static size_t count_segments(struct slice path) {
    size_t n = 0;

    for (size_t i = 0; i < path.n; i++)
        n += path.p[i] == '/';
    return MIN_OF(n, (size_t)SEGMENTS_MAX);
}

static int widen(struct suggest_rule *rule, struct slice segment) {
    size_t before = (size_t)(segment.p - rule->path.p), n = rule->path.n - segment.n + 1;
    char *wide = malloc(n);

    if (!wide)
        return -ENOMEM;
    memcpy(wide, rule->path.p, before);
    wide[before] = '*';
    memcpy(wide + before + 1, segment.p + segment.n, n - before - 1);
    free(rule->wide);
    rule->wide = wide;
    rule->path = slice_of(wide, n);
    return 0;
}

static bool is_uuid(struct slice text) {
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (text.n != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (form[i] == '-' ? text.p[i] != '-' : num_hex_digit(text.p[i]) < 0)
            return false;
    return true;
}

/* Words of the letters a to f are no hashes. */
static bool is_identifier(struct slice segment) {
    size_t digits = 0, letters = 0;

    for (size_t i = 0; i < segment.n; i++) {
        bool is_digit = segment.p[i] >= '0' && segment.p[i] <= '9';

        digits += is_digit;
        letters += !is_digit && num_hex_digit(segment.p[i]) >= 0;
    }
    if (is_uuid(segment))
        return true;
    return digits > 0 && digits + letters == segment.n && (letters == 0 || segment.n >= HEX_LEAST);
}

static int widen_identifiers(struct suggest_rule *rules, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t segments = count_segments(rules[i].path);

        for (size_t k = 0; k < segments; k++) {
            struct slice segment = segment_of(rules[i].path, k);
            int r = is_identifier(segment) ? widen(&rules[i], segment) : 0;

            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* A rule as one of those that differ in this segment alone. */
struct sibling {
    uint64_t hash; /* of all but the segment */
    size_t rule, segment;
    size_t n; /* of those beside it with the same hash; where it is the first of them */
};

static uint64_t hash_bytes(uint64_t hash, struct slice bytes) {
    for (size_t i = 0; i < bytes.n; i++)
        hash = (hash ^ (unsigned char)bytes.p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return (hash ^ bytes.n) * UINT64_C(0x100000001b3);
}

static bool is_sibling(const struct suggest_rule *a, const struct suggest_rule *b, size_t segment) {
    struct slice one = segment_of(a->path, segment), other = segment_of(b->path, segment);
    size_t before = (size_t)(one.p ? one.p - a->path.p : 0);

    return one.p && other.p && slice_equals(a->method, b->method) && before == (size_t)(other.p - b->path.p) &&
           slice_equals(slice_first(a->path, before), slice_first(b->path, before)) &&
           slice_equals(slice_from(a->path, before + one.n), slice_from(b->path, before + other.n));
}

static int compare_hashes(const void *a, const void *b) {
    const struct sibling *one = a, *other = b;

    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    return (one->rule > other->rule) - (one->rule < other->rule);
}

/* The most numerous first; of two that are as many, those that differ further behind. */
static int compare_numbers(const void *a, const void *b) {
    const struct sibling *one = a, *other = b;

    if (one->n != other->n)
        return one->n > other->n ? -1 : 1;
    if (one->segment != other->segment)
        return one->segment > other->segment ? -1 : 1;
    return compare_hashes(a, b);
}

static size_t list_siblings(const struct suggest_rule *rules, size_t n, struct sibling *to) {
    size_t n_siblings = 0;

    for (size_t i = 0; i < n; i++) {
        size_t segments = count_segments(rules[i].path);

        for (size_t k = 0; k < segments; k++) {
            struct slice path = rules[i].path, segment = segment_of(path, k);
            size_t before = (size_t)(segment.p - path.p);
            uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325) + k, rules[i].method);

            hash = hash_bytes(hash, slice_first(path, before));
            hash = hash_bytes(hash, slice_from(path, before + segment.n));
            to[n_siblings++] = (struct sibling){.hash = hash, .rule = i, .segment = k};
        }
    }
    return n_siblings;
}

/* How many there are of each kind; whoever is alone is left out. */
static size_t count_siblings(struct sibling *siblings, size_t n, struct sibling *to) {
    size_t n_groups = 0;

    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && siblings[next].hash == siblings[i].hash; next++)
            ;
        siblings[i].n = next - i;
        if (siblings[i].n > 1)
            to[n_groups++] = siblings[i];
    }
    return n_groups;
}

/*
 * Takes the siblings that begin at `first` together, those that have found nobody else in this round. Whether there were
 * any, or -ENOMEM.
 */
static int unite(struct suggest_rule *rules, bool *is_taken, const struct sibling *first, size_t n) {
    struct suggest_rule *leader = NULL;

    for (size_t i = 0; i < n; i++) {
        struct suggest_rule *rule = &rules[first[i].rule];

        if (is_taken[first[i].rule] || (leader && !is_sibling(leader, rule, first->segment)))
            continue;
        if (!leader) {
            leader = rule;
            continue;
        }
        leader->n += rule->n;
        suggest_rule_done(rule);
        is_taken[first[i].rule] = true;
        is_taken[leader - rules] = true;
    }
    if (!leader || !is_taken[leader - rules])
        return 0;
    return widen(leader, segment_of(leader->path, first->segment)) < 0 ? -ENOMEM : 1;
}

static size_t drop_empty(struct suggest_rule *rules, size_t n) {
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        struct suggest_rule rule = rules[i];

        if (rule.path.n == 0)
            continue;
        rules[i] = (struct suggest_rule){0};
        rules[kept++] = rule;
    }
    return unite_equal(rules, kept);
}

/* As suggest_fits, of those that are left. */
static bool fits_now(const struct suggest_rule *rules, size_t n) {
    size_t alive = 0, length = 0;

    for (size_t i = 0; i < n; i++) {
        alive += rules[i].path.n > 0;
        length += rules[i].path.n > 0 ? length_of(&rules[i]) : 0;
    }
    return alive <= LIMIT_RULES && length <= LIMIT_RULES_TEXT;
}

/* Each rule is made wider by one segment at most: then it is looked anew who is whose sibling. */
static int unite_siblings(struct suggest_rule *rules, size_t *n) {
    _cleanup_free_ struct sibling *siblings = calloc(*n * SEGMENTS_MAX, sizeof(*siblings));
    _cleanup_free_ struct sibling *groups = calloc(*n * SEGMENTS_MAX, sizeof(*groups));
    _cleanup_free_ bool *is_taken = calloc(*n, sizeof(*is_taken));
    size_t n_siblings, n_groups;
    int r = 0;

    if (!siblings || !groups || !is_taken)
        return -ENOMEM;
    n_siblings = list_siblings(rules, *n, siblings);
    qsort(siblings, n_siblings, sizeof(*siblings), compare_hashes);
    n_groups = count_siblings(siblings, n_siblings, groups);
    qsort(groups, n_groups, sizeof(*groups), compare_numbers);
    for (size_t i = 0; r >= 0 && i < n_groups; i++) {
        const struct sibling *first = bsearch(&groups[i], siblings, n_siblings, sizeof(*siblings), compare_hashes);

        r = unite(rules, is_taken, first, groups[i].n);
        if (r > 0 && fits_now(rules, *n))
            break;
    }
    *n = drop_empty(rules, *n);
    return MIN_OF(r, 0);
}

/* What another matches too is needless. */
static void drop_covered(struct suggest_rule *rules, size_t *n) {
    for (size_t i = 0; i < *n; i++)
        for (size_t k = 0; rules[i].path.n > 0 && k < *n; k++)
            if (k != i && rules[k].wide && slice_equals(rules[k].method, rules[i].method) &&
                glob_covers(rules[k].path, rules[i].path)) {
                rules[k].n += rules[i].n;
                suggest_rule_done(&rules[i]);
            }
    *n = drop_empty(rules, *n);
}

int suggest_merge(struct suggest_rule *rules, size_t *n) {
    size_t before = 0;
    int r;

    *n = unite_equal(rules, *n);
    if (suggest_fits(rules, *n))
        return 0;
    r = widen_identifiers(rules, *n);
    *n = unite_equal(rules, *n);
    while (r == 0 && before != *n && !suggest_fits(rules, *n)) {
        before = *n;
        r = unite_siblings(rules, n);
    }
    if (r == 0 && *n <= LIMIT_RULES)
        drop_covered(rules, n);
    return r;
}
