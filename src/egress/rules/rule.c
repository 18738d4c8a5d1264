#include "egress/rules/rule.h"

#include "base/limits.h"
#include "egress/rules/denial.h"
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

/* Whether something of ours goes before the path, which dot segments could climb out of. */
static bool has_prefix(const struct credential *credential) {
    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_PATH)
            return true;
    return credential->authority.base_path.n > 0;
}

static enum rule_verdict decide_allowance(const struct credential *credential, struct slice method, struct slice path,
                                          const struct rule **ret_rule) {
    char normalised[LIMIT_TARGET + 1];
    const struct rule *as_sent, *as_read;
    ptrdiff_t n;

    /* nothing to bound: every path of the authority is allowed */
    if (credential->allows_all && (slice_equals(path, SLICE("*")) || !has_prefix(credential)))
        return RULE_ALLOWS;
    n = uri_normalise_path(path, normalised);
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

enum rule_verdict rule_decide(const struct credential *credential, struct slice method, struct slice path,
                              const struct rule **ret_rule) {
    *ret_rule = NULL;
    if (path.n > LIMIT_TARGET)
        return RULE_AMBIGUOUS;
    if (!denial_find(credential, method, slice_equals(path, SLICE("*")) ? SLICE("/") : path, ret_rule))
        return RULE_AMBIGUOUS;
    return *ret_rule ? RULE_DENIES : decide_allowance(credential, method, path, ret_rule);
}
