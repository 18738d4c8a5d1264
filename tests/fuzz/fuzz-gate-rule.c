#include "egress/gate/gate_rule.h"
#include "fuzz.h"

/* What is taken is written again as it was meant, lets through what it names, and no host that cannot be one. */
static void try_rule(const struct gate_rule *rule) {
    struct slice host = slice_of_string(rule->host);
    char text[GATE_RULE_TEXT_MAX];
    struct gate_rule again;

    REQUIRE(host.n > 0 && host.n <= LIMIT_HOST && rule->port > 0 && gate_host_is_valid(host));
    REQUIRE(!rule->is_wildcard || (!rule->is_special && slice_has(host, '.')));
    REQUIRE((gate_rule_find(rule, 1, host, rule->port) != NULL) == !rule->is_wildcard);
    REQUIRE(gate_rule_parse(slice_of(text, gate_rule_format(rule, text)), &again) == NULL);
    REQUIRE(gate_rule_is_same(rule, &again) && rule->is_special == again.is_special);
    gate_rule_done(&again);
}

/* The host that is asked for comes from a relay that may have been taken over. */
static void try_host(struct slice host) {
    static char all[] = "example.net";
    static const struct gate_rule wildcard = {.host = all, .port = 443, .is_wildcard = true};

    REQUIRE(!gate_rule_find(&wildcard, 1, host, 443) || (gate_host_is_valid(host) && !slice_has(host, '\0')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size);
    struct gate_rule rule;

    try_host(in);
    if (gate_rule_parse(in, &rule) == NULL) {
        try_rule(&rule);
        gate_rule_done(&rule);
    }
    return 0;
}
