/*
 * Which hosts without a credential a command may reach: `egress: { allow: [...] }`. Pure. The settings read rules by it,
 * the gate decides by it.
 */
#pragma once

#include "egress/settings.h"

/*
 * One rule as it is written: "HOST:PORT", "*.DOMAIN:PORT", "ADDRESS:PORT", "[IPV6]:PORT". NULL with `*ret` (its host the
 * caller's, freed by gate_rule_done); or, in plain words, why it is none.
 */
const char *gate_rule_parse(struct slice text, struct gate_rule *ret);
void gate_rule_done(struct gate_rule *rule);

/* The first that lets `host` (a name or an address without brackets, any case) and `port` through, or NULL. */
const struct gate_rule *gate_rule_find(const struct gate_rule *rules, size_t n, struct slice host, uint16_t port);
