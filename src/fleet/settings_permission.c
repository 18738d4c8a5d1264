#include "fleet/settings_permission.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "fleet/settings.h"

static int read_word(const struct node *node, bool *ret_allows) {
    static const char *const words[] = {"allow", "deny"};
    size_t at;
    int r = value_word(node, words, ARRAY_LEN(words), &at);

    if (r == 0)
        *ret_allows = at == 0;
    return r;
}

static int read_rule(const struct node *node, struct command_rule *rule) {
    struct slice pattern = node_key(node);

    if (pattern.n == 0 || pattern.n > LIMIT_COMMAND_PATTERN)
        return node_fail(node, "a pattern has 1 to %d bytes; write one like \"kubectl get *\"", LIMIT_COMMAND_PATTERN);
    rule->line = node_line(node);
    if (settings_copy(pattern, &rule->pattern) < 0)
        return -ENOMEM;
    return read_word(node, &rule->allows);
}

/* They travel in one datagram (ipc/message.h). */
static int check_size(const struct node *node, const struct command_rules *rules) {
    size_t n = 0;

    for (size_t i = 0; i < rules->n; i++)
        n += sizeof(uint32_t) * 2 + slice_of_string(rules->rules[i].pattern).n;
    if (n > LIMIT_COMMAND_RULES_TEXT)
        return node_fail(node, "all patterns together take more than %d KiB; make them fewer, or wider",
                         LIMIT_COMMAND_RULES_TEXT / 1024);
    return 0;
}

static int read_rules(const struct node *node, struct command_rules *rules) {
    size_t n = 0;
    int r = value_mapping(node, &n);

    if (r < 0 || n == 0)
        return r;
    if (n > LIMIT_COMMAND_RULES)
        return node_fail(node, "more than %d patterns; make them fewer, or wider", LIMIT_COMMAND_RULES);
    rules->rules = calloc(n, sizeof(rules->rules[0]));
    if (!rules->rules)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_rule(item, &rules->rules[rules->n++]);
    return r == 0 ? check_size(node, rules) : r;
}

/* `allow` for everything, `deny` for nothing, or patterns. */
static int read_bash(const struct node *node, void *field) {
    struct command_rules *rules = field;

    if (node_kind(node) == NODE_SCALAR)
        return read_word(node, &rules->allows_all);
    if (node_kind(node) == NODE_LIST)
        return node_fail(node,
                         "is a mapping of patterns to allow or deny; write { \"*\": deny, \"kubectl get *\": allow }");
    return read_rules(node, rules);
}

int settings_read_permission(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"bash", read_bash, 0, "add bash: { \"*\": deny, \"kubectl get *\": allow }, or bash: allow for everything"},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}
