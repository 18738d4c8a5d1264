#include "egress/rules/suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "egress/rules/suggest_merge.h"
#include "egress/rules/suggest_state.h"

/* What a terminal or a reader of YAML might obey is shown and not written. */
static void put_text(FILE *to, struct slice text, bool is_quoted) {
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c < ' ' || c > '~')
            (void)fprintf(to, "\\x%02x", (unsigned char)c);
        else if (is_quoted && (c == '"' || c == '\\'))
            (void)fprintf(to, "\\%c", c);
        else
            (void)putc(c, to);
    }
}

static void put_count(FILE *to, uint64_t n) {
    (void)fprintf(to, "%" PRIu64 " request%s", n, n == 1 ? "" : "s");
}

static void put_rule(FILE *to, const char *before, struct slice method, struct slice path) {
    (void)fprintf(to, "%s- \"", before);
    put_text(to, method, true);
    (void)putc(' ', to);
    put_text(to, path, true);
    (void)fputs("\"  # ", to);
}

static int compare_slices(struct slice a, struct slice b) {
    size_t n = MIN_OF(a.n, b.n);
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* Credentials by name and then the gate; of each the rules, by path and method, and then the remarks. */
static int compare_items(const void *a, const void *b) {
    const struct suggest_item *one = *(struct suggest_item *const *)a, *other = *(struct suggest_item *const *)b;
    int order = one->is_way - other->is_way;

    order = order != 0 ? order : compare_slices(one->lease, other->lease);
    order = order != 0 ? order : (one->kind > other->kind) - (one->kind < other->kind);
    order = order != 0 ? order : strcmp(one->words, other->words);
    order = order != 0 ? order : compare_slices(one->path, other->path);
    return order != 0 ? order : compare_slices(one->method, other->method);
}

/* Where the next credential begins, or the gate. */
static size_t find_end(struct suggest_item *const *items, size_t n, size_t from) {
    size_t end = from;

    while (end < n && items[end]->is_way == items[from]->is_way && slice_equals(items[end]->lease, items[from]->lease))
        end++;
    return end;
}

static bool is_wanted(const struct suggest_item *item) {
    return item->kind == SUGGESTION_RULE && item->has_passed;
}

static void write_rules(FILE *to, const struct suggest_rule *rules, size_t n) {
    bool fits = suggest_fits(rules, n);

    if (n > 0)
        (void)fputs("    allow:\n", to);
    if (!fits)
        (void)fprintf(to, "      # more than one credential may have (%d rules); choose, or write wider ones\n",
                      LIMIT_RULES);
    for (size_t i = 0; i < n; i++) {
        put_rule(to, fits || suggest_fits(rules, i + 1) ? "      " : "      # ", rules[i].method, rules[i].path);
        if (rules[i].n > 0)
            put_count(to, rules[i].n);
        else
            (void)fputs("as servers may read another of these", to);
        (void)fputs(rules[i].wide ? ", taken together\n" : "\n", to);
    }
}

/* The rules of the items, made so few that a credential may have them. */
static int merge_rules(FILE *to, struct suggest_item *const *items, size_t n) {
    struct suggest_rule *rules = calloc(MAX_OF(n, 1U), sizeof(*rules));
    size_t n_rules = 0;
    int r;

    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (is_wanted(items[i]))
            rules[n_rules++] =
                (struct suggest_rule){.method = items[i]->method, .path = items[i]->path, .n = items[i]->n};
    r = suggest_merge(rules, &n_rules);
    if (r == 0)
        write_rules(to, rules, n_rules);
    for (size_t i = 0; i < n_rules; i++)
        suggest_rule_done(&rules[i]);
    free(rules);
    return r;
}

/* What is there to be read, and changes nothing. */
static void write_comment(FILE *to, const struct suggest_item *item) {
    if (item->kind == SUGGESTION_REMARK) {
        (void)fputs(item->is_way ? "  # " : "    # ", to);
        put_count(to, item->n);
        (void)fprintf(to, ": %s", item->words);
        put_text(to, item->method, false);
        (void)fputs(item->method.n > 0 ? " " : "", to);
        put_text(to, item->path, false);
        (void)putc('\n', to);
        return;
    }
    put_rule(to, "      # ", item->method, item->path);
    put_count(to, item->n);
    if (!item->has_passed)
        (void)fprintf(to, ", refused by the upstream: %u", item->status);
    if (item->kind == SUGGESTION_WIDER)
        (void)fputs("; it matches more: in the path was what no rule can name", to);
    (void)putc('\n', to);
}

static bool is_plain_name(struct slice name) {
    for (size_t i = 0; i < name.n; i++) {
        char c = ascii_lower(name.p[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return name.n > 0 && name.p[0] != '-' && name.p[0] != '.';
}

static int write_credential(FILE *to, struct suggest_item *const *items, size_t n) {
    bool is_plain = is_plain_name(items[0]->lease);
    int r;

    (void)fputs(is_plain ? "  - name: " : "  - name: \"", to);
    put_text(to, items[0]->lease, true);
    (void)fputs(is_plain ? "\n" : "\"\n", to);
    r = merge_rules(to, items, n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (!is_wanted(items[i]))
            write_comment(to, items[i]);
    return r;
}

static void write_host(FILE *to, const struct suggest_item *item) {
    (void)fputs(item->has_passed ? "    - \"" : "    # - \"", to);
    put_text(to, item->path, true);
    (void)fputs("\"  # ", to);
    put_count(to, item->n);
    (void)fputs(item->has_passed ? "\n" : ", refused by credfd\n", to);
}

static void write_ways(FILE *to, struct suggest_item *const *items, size_t n) {
    size_t n_hosts = 0;
    bool is_one_wanted = false;

    (void)fputs("egress:\n", to);
    for (size_t i = 0; i < n; i++) {
        n_hosts += items[i]->kind == SUGGESTION_HOST;
        is_one_wanted = is_one_wanted || (items[i]->kind == SUGGESTION_HOST && items[i]->has_passed);
    }
    if (is_one_wanted)
        (void)fputs("  allow:\n", to);
    for (size_t i = n - n_hosts; i < n; i++) /* they stand behind the remarks */
        write_host(to, items[i]);
    for (size_t i = 0; i < n - n_hosts; i++)
        write_comment(to, items[i]);
}

int suggest_write(struct suggest *suggest, FILE *to) {
    struct suggest_item *const *items = suggest->items;
    int r = 0;

    if (suggest->n_items == 0)
        (void)fputs("# there is nothing to suggest\n", to);
    else
        qsort(suggest->items, suggest->n_items, sizeof(struct suggest_item *), compare_items);
    if (suggest->n_items > 0 && !items[0]->is_way)
        (void)fputs("credentials:\n", to);
    for (size_t at = 0, end; r == 0 && at < suggest->n_items; at = end) {
        end = find_end(items, suggest->n_items, at);
        if (items[at]->is_way)
            write_ways(to, items + at, end - at);
        else
            r = write_credential(to, items + at, end - at);
    }
    if (suggest->n_lost > 0)
        (void)fprintf(to, "# %d different requests are in this; %" PRIu64 " that came later are not\n", LIMIT_SUGGESTED,
                      suggest->n_lost);
    return r;
}
