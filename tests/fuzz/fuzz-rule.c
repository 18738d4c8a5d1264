#include "base/limits.h"
#include "base/macros.h"
#include "egress/rules/rule.h"
#include "egress/rules/rule_lint.h"
#include "fuzz.h"
#include "wire/glob.h"
#include "wire/http_message.h"

/*
 * An input is lines: each "+METHOD PATTERN" allows, each "-METHOD PATTERN" denies, "METHOD PATH" behind them is the
 * request. What follows chooses disguises for it.
 */

#define RULES 8
#define LIMIT 200

struct policy {
    struct credential credential;
    struct rule allow[RULES], deny[RULES];
    char text[RULES][LIMIT + 1];
    size_t n;
    bool is_needless_allow[RULES], is_needless_deny[RULES];
};

static bool add_rule(struct policy *policy, struct slice line) {
    struct slice path = slice_from(line, 1), method = slice_cut(&path, ' ');
    struct credential *credential = &policy->credential;
    struct rule *rule;
    char *to;

    if (policy->n == RULES || line.n > LIMIT || method.n == 0 || !path.p || glob_check(path) || slice_has(line, '\0'))
        return false;
    to = policy->text[policy->n++];
    memcpy(to, method.p, method.n);
    to[method.n] = '\0';
    memcpy(to + method.n + 1, path.p, path.n);
    to[method.n + 1 + path.n] = '\0';
    rule = line.p[0] == '+' ? &policy->allow[credential->n_allow++] : &policy->deny[credential->n_deny++];
    *rule = (struct rule){to, to + method.n + 1, policy->n};
    return true;
}

/* Takes the rules off the front of `*rest`; the request stays. */
static bool read_policy(struct policy *to, struct slice *rest) {
    to->credential.allow = to->allow;
    to->credential.deny = to->deny;
    while (slice_starts_with(*rest, SLICE("+")) || slice_starts_with(*rest, SLICE("-")))
        if (!add_rule(to, slice_cut(rest, '\n')))
            return false;
    return rest->p != NULL;
}

static bool is_matched(const struct rule *rules, size_t n, struct slice method, struct slice path) {
    for (size_t i = 0; i < n; i++) {
        struct slice wanted = slice_of_string(rules[i].method);

        if ((slice_equals(wanted, SLICE("*")) || slice_equals(wanted, method)) &&
            glob_matches(slice_of_string(rules[i].path), path))
            return true;
    }
    return false;
}

static enum rule_verdict decide(const struct credential *credential, struct slice method, struct slice path) {
    const struct rule *rule;
    enum rule_verdict verdict = rule_decide(credential, method, path, &rule);
    bool is_of_allow = rule >= credential->allow && rule < credential->allow + credential->n_allow;
    bool is_of_deny = rule >= credential->deny && rule < credential->deny + credential->n_deny;

    REQUIRE(is_of_deny == (verdict == RULE_DENIES));
    REQUIRE(is_of_allow == (verdict == RULE_ALLOWS && !credential->allows_all));
    REQUIRE(!is_of_allow || is_matched(rule, 1, method, path));
    return verdict;
}

/* The definition, of a list without deny rules, and what must hold with them. */
static void try_verdict(const struct credential *credential, struct slice method, struct slice path) {
    struct credential all = *credential, only_allows = *credential;
    char normalised[LIMIT_TARGET + 1];
    ptrdiff_t n = uri_normalise_path(path, normalised);
    struct slice read = slice_of(normalised, n < 0 ? 0 : (size_t)n);
    bool as_sent = is_matched(credential->allow, credential->n_allow, method, path);
    bool as_read = n >= 0 && is_matched(credential->allow, credential->n_allow, method, read);
    bool is_denied = is_matched(credential->deny, credential->n_deny, method, path) ||
                     (n >= 0 && is_matched(credential->deny, credential->n_deny, method, read));
    enum rule_verdict with, without;

    all.allows_all = true;
    all.n_allow = only_allows.n_deny = 0;
    with = decide(credential, method, path);
    without = decide(&only_allows, method, path);
    if (n < 0)
        REQUIRE(without == RULE_AMBIGUOUS);
    else
        REQUIRE(without == (as_sent && as_read ? RULE_ALLOWS : as_sent || as_read ? RULE_AMBIGUOUS : RULE_NONE));
    REQUIRE(with == without || (credential->n_deny > 0 && (with == RULE_DENIES || with == RULE_AMBIGUOUS)));
    REQUIRE(!is_denied || (with == RULE_DENIES && decide(&all, method, path) == RULE_DENIES));
    REQUIRE((with == RULE_DENIES) == (decide(&all, method, path) == RULE_DENIES));
}

static void insert(char *bytes, size_t *n, size_t at, struct slice what) {
    memmove(bytes + at + what.n, bytes + at, *n - at);
    memcpy(bytes + at, what.p, what.n);
    *n += what.n;
}

/* One more way to write the path that some server takes for the same: something put in that means nothing. */
static void pad(char *bytes, size_t *n, uint8_t choice, uint8_t place) {
    static const struct slice within[] = {SLICE(";x=y"), SLICE("/"), SLICE("/."), SLICE("/x/.."), SLICE("%20")};
    static const struct slice behind[] = {SLICE(";x"),  SLICE("/"),    SLICE("/."),
                                          SLICE("%2e"), SLICE("%3fx"), SLICE(" ")};
    size_t at = 1 + place % *n;

    if (at == *n && bytes[at - 1] != '/' && bytes[at - 1] != '.')
        insert(bytes, n, at, behind[choice % ARRAY_LEN(behind)]);
    else if (at < *n && bytes[at] == '/' && bytes[at - 1] != '/' && bytes[at - 1] != '.')
        insert(bytes, n, at, within[choice % ARRAY_LEN(within)]);
}

/* The same, of a byte that is there: in the other case, or escaped, once or twice. Three times nobody undoes. */
static void disguise(char *bytes, size_t *n, uint8_t choice, uint8_t place) {
    static const char digits[] = "0123456789abcdef";
    size_t at = 1 + place % *n;
    unsigned char byte = at < *n ? (unsigned char)bytes[at] : 0;
    size_t before = MIN_OF(at, (size_t)4);
    bool is_letter = ascii_lower((char)byte) >= 'a' && ascii_lower((char)byte) <= 'z';

    if (is_letter && choice % 4 < 2) {
        bytes[at] ^= 0x20;
    } else if (at < *n && byte != '%' && !slice_has(slice_of(bytes + at - before, before), '%')) {
        bytes[at] = '%';
        insert(bytes, n, at + 1, slice_of((const char[]){digits[byte >> 4], digits[byte & 0xF]}, 2));
        if (choice % 2 == 1)
            insert(bytes, n, at + 1, SLICE("25"));
    }
}

static bool is_plain(struct slice path) {
    char normalised[LIMIT_TARGET + 1];
    ptrdiff_t n = uri_normalise_path(path, normalised);

    return n >= 0 && slice_equals(path, slice_of(normalised, (size_t)n));
}

static bool may_be_sent(struct slice method, struct slice path) {
    struct http_target target;

    return http_target_parse(method, path, &target) == HTTP_OK && !slice_equals_nocase(method, SLICE("TRACE")) &&
           !slice_equals_nocase(method, SLICE("TRACK"));
}

/* Whatever is plainly denied stays out in any disguise, even where all is allowed. `dice` chooses which. */
static void try_disguises(const struct credential *credential, struct slice method, struct slice path,
                          struct slice dice) {
    struct credential all = *credential;
    char bytes[4 * LIMIT];
    size_t n = path.n;

    if (!is_plain(path) || !may_be_sent(method, path) ||
        !is_matched(credential->deny, credential->n_deny, method, path))
        return;
    all.allows_all = true;
    memcpy(bytes, path.p, path.n);
    for (size_t i = 0; i + 1 < dice.n && n + 5 < sizeof(bytes); i += 2) {
        (i < dice.n / 2 ? pad : disguise)(bytes, &n, (uint8_t)dice.p[i], (uint8_t)dice.p[i + 1]);
        REQUIRE(decide(&all, method, slice_of(bytes, n)) != RULE_ALLOWS);
    }
}

static void note(const struct rule_warning *warning, void *context) {
    struct policy *policy = context;
    bool is_needless = warning->kind == RULE_COVERED || warning->kind == RULE_DUPLICATE;

    REQUIRE(warning->rule->line > 0 && warning->other != warning->rule);
    if (!warning->is_denial)
        policy->is_needless_allow[warning->rule - policy->allow] = true;
    else
        policy->is_needless_deny[warning->rule - policy->deny] = is_needless;
}

static size_t drop(struct rule *rules, const bool *is_needless, size_t n) {
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!is_needless[i])
            rules[kept++] = rules[i];
    return kept;
}

/* Without all the rules that are called needless, or of no use to a plain path, what is decided stays the same. */
static void try_lint(struct policy *policy, struct slice method, struct slice path) {
    struct credential *credential = &policy->credential;
    enum rule_verdict before = decide(credential, method, path), after;

    rule_lint(credential, note, policy);
    credential->n_deny = drop(policy->deny, policy->is_needless_deny, credential->n_deny);
    after = decide(credential, method, path);
    REQUIRE(after == before);
    credential->n_allow = drop(policy->allow, policy->is_needless_allow, credential->n_allow);
    if (is_plain(path) && may_be_sent(method, path))
        REQUIRE((decide(credential, method, path) == RULE_ALLOWS) == (before == RULE_ALLOWS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = slice_of(size > 0 ? (const void *)data : "", size), method, path;
    struct policy policy = {0};

    if (!read_policy(&policy, &rest))
        return 0;
    path = slice_cut(&rest, '\n');
    method = slice_cut(&path, ' ');
    if (!path.p || path.n > LIMIT)
        return 0;
    try_verdict(&policy.credential, method, path);
    if (rest.p)
        try_disguises(&policy.credential, method, path, rest);
    try_lint(&policy, method, path);
    return 0;
}
