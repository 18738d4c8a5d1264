#include "egress/settings/settings_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "egress/settings/settings.h"
#include "wire/glob.h"
#include "wire/http_head.h"

/* `get` is a method of its own (RFC 9110 §9.1), but nobody who writes it here means that one. */
static bool is_small_method(struct slice method) {
    static const struct slice methods[] = {SLICE("GET"),   SLICE("HEAD"),   SLICE("POST"),   SLICE("PUT"),
                                           SLICE("PATCH"), SLICE("DELETE"), SLICE("OPTIONS")};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_equals_nocase(method, methods[i]))
            return !slice_equals(method, methods[i]);
    return false;
}

static int read_rule(const struct node *node, struct rule *rule) {
    struct slice text, method;
    const char *fault;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    rule->line = node_line(node);
    if (text.n > LIMIT_RULE)
        return node_fail(node, "too long; use at most %d characters", LIMIT_RULE);
    method = slice_cut(&text, ' ');
    if (!text.p)
        return node_fail(node, "must be a method and a path; write \"GET /path/**\", with * for every method");
    if (method.n > LIMIT_METHOD || !http_is_token(method))
        return node_fail(node, "does not start with a method; write \"GET /path/**\", with * for every method");
    if (slice_has(method, '*') && method.n > 1)
        return node_fail(node, "a method is one word, or * alone for every method; write a rule for each");
    if (is_small_method(method))
        return node_fail(node, "a method is written in capitals; write \"GET /path/**\"");
    text = slice_trim(text);
    fault = glob_check(text);
    if (fault)
        return node_fail(node, "the rule's path is wrong: %s; write \"GET /path/*\", or /path/** for all below", fault);
    r = settings_copy(method, &rule->method);
    return r < 0 ? r : settings_copy(text, &rule->path);
}

static size_t text_length(const struct rule *rules, size_t n) {
    size_t length = 0;

    for (size_t i = 0; i < n; i++)
        length += strlen(rules[i].method) + 1 + strlen(rules[i].path);
    return length;
}

/* Both lists travel together. */
static int check_length(const struct node *node, const struct credential *credential) {
    if (text_length(credential->allow, credential->n_allow) + text_length(credential->deny, credential->n_deny) >
        LIMIT_RULES_TEXT)
        return node_fail(node, "the rules of `allow` and `deny` together are too long; use at most %d characters",
                         LIMIT_RULES_TEXT);
    return 0;
}

static int read_rules(const struct node *node, struct rule **rules, size_t *n_rules) {
    size_t n;
    int r = value_list(node, 0, LIMIT_RULES, &n);

    if (r < 0 || n == 0)
        return r;
    *rules = calloc(n, sizeof(**rules));
    if (!*rules)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_rule(item, &(*rules)[(*n_rules)++]);
    return r;
}

int settings_read_allow(const struct node *node, void *field) {
    struct credential *credential = field;
    int r;

    if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("all"))) {
        credential->allows_all = true;
        return 0;
    }
    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "must be `all` or a list of rules; write [ \"GET /path/**\", \"POST /path\" ]");
    r = read_rules(node, &credential->allow, &credential->n_allow);
    return r == 0 ? check_length(node, credential) : r;
}

int settings_read_deny(const struct node *node, void *field) {
    struct credential *credential = field;
    int r;

    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "must be a list of rules; write [ \"* /path/**\", \"DELETE /path/*\" ]");
    r = read_rules(node, &credential->deny, &credential->n_deny);
    return r == 0 ? check_length(node, credential) : r;
}

int settings_read_executables(const struct node *node, void *field) {
    struct credential *credential = field;
    size_t at = 0;
    /* an empty list would permit everybody, or nobody: who writes one means something, but nobody can say what */
    int r = value_strings(node, 1, LIMIT_EXECUTABLES, &credential->executables, &credential->n_executables);

    if (r < 0)
        return r;
    for (const struct node *item = node_first(node); item; item = node_next(item)) {
        struct slice pattern = slice_of_string(credential->executables[at++]);

        if (pattern.n > LIMIT_EXECUTABLE)
            return node_fail(item, "too long; use at most %d characters", LIMIT_EXECUTABLE);
        if (glob_check(pattern))
            return node_fail(item, "must be a program's path from / on, with * and ** as in rules, and no blank, \\, ? "
                                   "or #; write /usr/bin/curl, or /opt/tool/** for all below");
    }
    return 0;
}
