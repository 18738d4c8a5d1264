#include "egress/rule.h"

#include "base/limits.h"
#include "wire/glob.h"

static const struct rule *first_match(const struct credential *credential, struct slice method, struct slice path) {
    for (size_t i = 0; i < credential->n_allow; i++) {
        const struct rule *rule = &credential->allow[i];
        struct slice wanted = slice_of_string(rule->method);

        if ((slice_equals(wanted, SLICE("*")) || slice_equals(wanted, method)) &&
            glob_matches(slice_of_string(rule->path), path))
            return rule;
    }
    return NULL;
}

enum rule_verdict rule_decide(const struct credential *credential, struct slice method, struct slice path,
                              const struct rule **ret_rule) {
    char normalised[LIMIT_TARGET + 1];
    const struct rule *as_sent, *as_read;
    ptrdiff_t n;

    *ret_rule = NULL;
    /* nothing to bound: every path of the authority is allowed */
    if (credential->allows_all && (credential->authority.base_path.n == 0 || slice_equals(path, SLICE("*"))))
        return RULE_ALLOWS;
    n = path.n <= LIMIT_TARGET ? uri_normalise_path(path, normalised) : -1;
    if (n < 0)
        return RULE_AMBIGUOUS;
    if (credential->allows_all)
        return RULE_ALLOWS;
    as_sent = first_match(credential, method, path);
    as_read = first_match(credential, method, slice_of(normalised, (size_t)n));
    if (!as_sent && !as_read)
        return RULE_NONE;
    if (!as_sent || !as_read)
        return RULE_AMBIGUOUS;
    *ret_rule = as_sent;
    return RULE_ALLOWS;
}
