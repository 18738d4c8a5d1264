#include "config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static bool is_null(const struct node *node) {
    static const struct slice words[] = {{"", 0}, {"~", 1}, {"null", 4}, {"Null", 4}, {"NULL", 4}};

    if (node_kind(node) != NODE_SCALAR || !node_is_plain(node))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equals(node_scalar(node), words[i]))
            return true;
    return false;
}

/* DEL too, and U+0080 to U+009F: a terminal may obey them. */
static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        unsigned char next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
            return true;
    }
    return false;
}

int value_text(const struct node *node, struct slice *ret) {
    struct slice text;

    if (is_null(node))
        return node_fail(node, "has no value; write one, or remove the key");
    if (node_kind(node) == NODE_MAPPING)
        return node_fail(node, "must be text, not keys and values; put text that starts with { in quotes");
    if (node_kind(node) == NODE_LIST)
        return node_fail(node, "must be text, not a list; put text that starts with [ in quotes");
    text = node_scalar(node);
    if (text.n == 0)
        return node_fail(node, "must not be empty; write a value, or remove the key");
    if (has_control(text))
        return node_fail(node, "must not hold a line break or another control character; remove it");
    *ret = text;
    return 0;
}

int value_string(const struct node *node, char **ret) {
    struct slice text = SLICE_EMPTY;
    char *string;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    string = strndup(text.p, text.n);
    if (!string)
        return -ENOMEM;
    *ret = string;
    return 0;
}

int value_bool(const struct node *node, bool *ret) {
    bool is_true = node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("true"));
    bool is_false = node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("false"));

    if (!node_is_plain(node) || !(is_true || is_false))
        return node_fail(node, "must be true or false; write one of them, without quotes");
    *ret = is_true;
    return 0;
}

int value_integer(const struct node *node, uint64_t max, uint64_t *ret) {
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    r = num_parse(text, max, ret);
    if (r == -ERANGE)
        return node_fail(node, "is too large; write at most %" PRIu64, max);
    if (r < 0)
        return node_fail(node, "must be a whole number; write it in decimal digits");
    return 0;
}

int value_count(const struct node *node, uint64_t max, uint64_t *ret) {
    uint64_t value;
    int r = value_integer(node, max, &value);

    if (r < 0)
        return r;
    if (value == 0)
        return node_fail(node, "must be more than nothing; write 1 to %" PRIu64 ", or remove the key", max);
    *ret = value;
    return 0;
}

int value_word(const struct node *node, const char *const *words, size_t n_words, size_t *ret) {
    _cleanup_free_ char *known = NULL;
    size_t length = 0;
    FILE *out;

    for (size_t i = 0; i < n_words; i++)
        if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), slice_of_string(words[i]))) {
            *ret = i;
            return 0;
        }
    out = open_memstream(&known, &length);
    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < n_words; i++)
        fprintf(out, "%s%s", i == 0 ? "" : i + 1 < n_words ? ", " : " or ", words[i]);
    if (fclose(out) != 0)
        return -ENOMEM;
    return node_fail(node, "must be %s; write one of them", known);
}

/* "24h", "90s": in the largest unit that says it whole. */
static void format_duration(uint64_t ms, char *to, size_t size) {
    if (ms % 3600000 == 0)
        snprintf(to, size, "%" PRIu64 "h", ms / 3600000);
    else if (ms % 1000 == 0)
        snprintf(to, size, "%" PRIu64 "s", ms / 1000);
    else
        snprintf(to, size, "%" PRIu64 "ms", ms);
}

int value_duration(const struct node *node, uint64_t max_ms, uint64_t *ret_ms) {
    char most[32];
    struct slice text = SLICE_EMPTY;
    uint64_t ms;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    format_duration(max_ms, most, sizeof(most));
    r = num_parse_duration(text, max_ms, &ms);
    if (r == -ERANGE)
        return node_fail(node, "is too long; write at most %s", most);
    if (r < 0)
        return node_fail(node, "must be a time; write digits and a unit, as 500ms, 30s, 5m or 1h");
    if (ms == 0)
        return node_fail(node, "must be more than nothing; write 1ms to %s, or remove the key for the default", most);
    *ret_ms = ms;
    return 0;
}

/* "100MiB": in the largest unit of 1024 that says it whole. */
static void format_size(uint64_t bytes, char *to, size_t size) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t unit = 0;

    for (; bytes > 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units); unit++)
        bytes /= 1024;
    snprintf(to, size, "%" PRIu64 "%s", bytes, units[unit]);
}

int value_size(const struct node *node, uint64_t min, uint64_t max, uint64_t *ret) {
    char least[32], most[32];
    struct slice text = SLICE_EMPTY;
    uint64_t bytes;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    format_size(min, least, sizeof(least));
    format_size(max, most, sizeof(most));
    r = num_parse_size(text, max, &bytes);
    if (r == -ERANGE)
        return node_fail(node, "is too large; write at most %s", most);
    if (r < 0)
        return node_fail(node, "must be a size; write digits and one of B, KB, MB, GB, KiB, MiB and GiB, as 100MiB");
    if (bytes < min)
        return node_fail(node, "is too small; write %s to %s, or remove the key", least, most);
    *ret = bytes;
    return 0;
}

int value_rate(const struct node *node, uint64_t max, uint64_t *ret_count, uint64_t *ret_ms) {
    struct slice text = SLICE_EMPTY;
    uint64_t count, ms;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    r = num_parse_rate(text, max, &count, &ms);
    if (r == -ERANGE)
        return node_fail(node, "is too large; write at most %" PRIu64 " in that time", max);
    if (r < 0)
        return node_fail(node, "must be a rate; write digits and one of /s, /min and /h, as 10/s");
    if (count == 0)
        return node_fail(node, "must be more than nothing; write 1 or more in that time, or remove the key");
    *ret_count = count;
    *ret_ms = ms;
    return 0;
}

int value_absolute_path(struct slice text, const char *directory, char **ret) {
    char *path = NULL;

    if (slice_starts_with(text, SLICE("~")))
        return -EINVAL;
    if (slice_starts_with(text, SLICE("/")))
        path = strndup(text.p, text.n);
    else if (asprintf(&path, "%s/%.*s", directory, SLICE_ARG(text)) < 0)
        path = NULL;
    if (!path)
        return -ENOMEM;
    *ret = path;
    return 0;
}

int value_path(const struct node *node, char **ret) {
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    r = value_absolute_path(text, node_directory(node), ret);
    return r == -EINVAL ? node_fail(node, "~ stands for no home directory here; write the path in full") : r;
}

void value_strings_free(char **strings) {
    for (char **string = strings; string && *string; string++)
        free(*string);
    free(strings);
}

int value_strings(const struct node *node, size_t min, size_t max, char ***ret, size_t *ret_n) {
    char **strings;
    size_t n = 0, at = 0;
    int r = value_list(node, min, max, &n);

    if (r < 0)
        return r;
    strings = calloc(n + 1, sizeof(*strings));
    if (!strings)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = value_string(item, &strings[at++]);
    if (r < 0) {
        value_strings_free(strings);
        return r;
    }
    *ret_n = n;
    *ret = strings;
    return 0;
}

int value_list(const struct node *node, size_t min, size_t max, size_t *ret_n) {
    size_t n = node_count(node);

    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "must be a list; write it as [ a, b ], or a line for each item that starts with -");
    if (n < min)
        return node_fail(node, "the list is too short; write at least %zu", min);
    if (n > max)
        return node_fail(node, "the list is too long; write at most %zu", max);
    *ret_n = n;
    return 0;
}

int value_mapping(const struct node *node, size_t *ret_n) {
    if (node_kind(node) != NODE_MAPPING)
        return node_fail(node, "must hold keys and their values; write it as { key: value }, or a line for each key");
    *ret_n = node_count(node);
    return 0;
}
