#include "egress/settings/settings_egress.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/value.h"
#include "egress/gate/gate_rule.h"

/* `rule` is the newest of those that were read. */
static int check_unique(const struct node *node, const struct egress_settings *egress, const struct gate_rule *rule) {
    for (const struct gate_rule *other = egress->allow; other != rule; other++)
        if (gate_rule_is_same(other, rule))
            return node_fail(node, "stands on line %zu already; remove one of the two", other->line);
    return 0;
}

static int read_rule(const struct node *node, struct egress_settings *egress) {
    struct gate_rule *rule = &egress->allow[egress->n_allow];
    struct slice text;
    const char *fault;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    fault = gate_rule_parse(text, rule);
    if (fault)
        return *fault ? node_fail(node, "%s", fault) : -ENOMEM;
    rule->line = node_line(node);
    egress->n_allow++;
    return check_unique(node, egress, rule);
}

static int read_allow(const struct node *node, void *field) {
    struct egress_settings *egress = field;
    size_t n;
    int r;

    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "must be a list of hosts with their ports; write [ \"packages.example.org:443\" ]");
    r = value_list(node, 0, LIMIT_GATE_RULES, &n);
    if (r < 0 || n == 0)
        return r;
    egress->allow = calloc(n, sizeof(egress->allow[0]));
    if (!egress->allow)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_rule(item, egress);
    return r;
}

int settings_read_egress(const struct node *node, void *field) {
    static const struct schema_key keys[] = {{"allow", read_allow}};
    struct egress_settings *egress = field;

    egress->is_there = true;
    return schema_read(keys, ARRAY_LEN(keys), node, egress);
}

void egress_settings_done(struct egress_settings *egress) {
    for (size_t i = 0; i < egress->n_allow; i++)
        gate_rule_done(&egress->allow[i]);
    free(egress->allow);
    *egress = (struct egress_settings){0};
}
