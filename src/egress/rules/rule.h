/*
 * Whether a credential may be used for a request. Pure. The keeper asks; nobody else decides.
 */
#pragma once

#include "base/limits.h"
#include "egress/settings/settings.h"

#define RULE_TEXT_MAX (LIMIT_METHOD + 1 + LIMIT_RULE)

enum rule_verdict {
    RULE_ALLOWS,
    RULE_NONE,      /* no rule allows it */
    RULE_DENIES,    /* a deny rule matches it, as it is written or as some server might read it */
    RULE_AMBIGUOUS, /* allowed as it is written, and not as a server might read it, or the other way round */
};

/*
 * Allow rules are matched on the path as it was sent and on the path as the most liberal server would read it
 * (uri_normalise_path): one answer alone would let `/public/../secret` past.
 *
 * Deny rules win, and for them any reading is enough (denial.h).
 *
 * `*ret_rule` is the rule that allows or denies, or NULL: for `allow: all`, and where none is to be named. `*` of
 * OPTIONS counts as `/` for deny rules, and only `allow: all` allows it.
 */
enum rule_verdict rule_decide(const struct credential *credential, struct slice method, struct slice path,
                              const struct rule **ret_rule);
