/*
 * Which hosts without a credential a command may reach: `egress: { allow: [...] }`. Pure. The settings read rules by it,
 * the gate decides by it.
 */
#pragma once

#include "base/limits.h"
#include "egress/settings/settings.h"

/*
 * One rule as it is written: "HOST:PORT", "*.DOMAIN:PORT", "ADDRESS:PORT", "[IPV6]:PORT". NULL with `*ret` (its host the
 * caller's, freed by gate_rule_done), "" without memory; or, in plain words, what is wrong and how to mend it.
 */
const char *gate_rule_parse(struct slice text, struct gate_rule *ret);
void gate_rule_done(struct gate_rule *rule);

/* The first that lets `host` (a name or an address without brackets, any case) and `port` through, or NULL. */
const struct gate_rule *gate_rule_find(const struct gate_rule *rules, size_t n, struct slice host, uint16_t port);

/* Whether it can be one at all: a name of letters, digits, `-` and `_`, or an address. Nothing else is looked up. */
bool gate_host_is_valid(struct slice host);

/* Whether both let the same through. */
bool gate_rule_is_same(const struct gate_rule *a, const struct gate_rule *b);

/* As it is written, with brackets around IPv6. NUL-terminated. The length. */
#define GATE_RULE_TEXT_MAX (LIMIT_HOST + sizeof("*.[]:65535"))
size_t gate_rule_format(const struct gate_rule *rule, char to[static GATE_RULE_TEXT_MAX]);

/* The same of any host that is valid: the rule that would let it through. */
size_t gate_host_format(struct slice host, uint16_t port, char to[static GATE_RULE_TEXT_MAX]);
