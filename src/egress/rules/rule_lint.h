/*
 * What is in order about a credential's rules and yet surely not meant: rules that never let anything through or never
 * stop anything, and rules that another one makes needless. Pure. `credfd check` prints it; nobody decides by it.
 *
 * A warning is right about plain paths, those that every server reads as they are written. That a path in an odd
 * spelling could still find a use for the rule is not weighed.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "egress/settings/settings.h"

enum rule_warning_kind {
    RULE_NEVER_SENT,      /* a request of such a method, or with such an escape, is refused before any rule is asked */
    RULE_UNREADABLE,      /* nobody can say which path a server would make of it (uri_normalise_path) */
    RULE_READS_OTHERWISE, /* servers read its path as `reading`; which no rule allows, or which it denies instead */
    RULE_ALWAYS_DENIED,   /* the deny rule `other` takes all that it allows */
    RULE_DUPLICATE,       /* `other`, before it in the same list, is the same */
    RULE_COVERED,         /* `other`, of the same list, matches all that it does */
};

struct rule_warning {
    enum rule_warning_kind kind;
    bool is_denial; /* it is about a rule of `deny`, not of `allow` */
    const struct rule *rule;
    const struct rule *other; /* NULL where the kind has none */
    struct slice reading;     /* of RULE_READS_OTHERWISE; any bytes; as long as the call */
};

typedef void rule_warn(const struct rule_warning *warning, void *context);

/* Calls `warn` at most once for each rule: those of `allow` first, each list in its order. */
void rule_lint(const struct credential *credential, rule_warn *warn, void *context);
