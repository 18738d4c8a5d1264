#include "egress/rules/rule_lint.h"

#include "base/limits.h"
#include "base/macros.h"
#include "wire/glob.h"
#include "wire/http_message.h"
#include "wire/uri.h"

struct list {
    const struct rule *rules;
    size_t n;
    bool is_denial;
};

/* A path as servers read it. */
struct reading {
    char bytes[LIMIT_RULE + 1];
    ptrdiff_t n; /* below 0 when they cannot */
};

static void read_path(struct slice path, struct reading *to) {
    to->n = path.n <= LIMIT_RULE ? uri_normalise_path(path, to->bytes) : -1;
}

static struct slice text_of(const struct reading *reading) {
    return slice_of(reading->bytes, (size_t)reading->n);
}

static bool is_plain(struct slice path) {
    struct reading reading;

    read_path(path, &reading);
    return reading.n >= 0 && slice_equals(text_of(&reading), path);
}

/*
 * Whether some plain path matches. Stars are bytes like others to uri_normalise_path, and stand for plain text: what it
 * changes is in the rule itself. Where that is its end, a slash and two stars, the path without them may be plain.
 */
static bool may_agree(struct slice pattern) {
    return is_plain(pattern) ||
           (slice_ends_with(pattern, SLICE("/**")) && is_plain(slice_first(pattern, pattern.n - 3)));
}

static bool is_any(const char *method) {
    return slice_equals(slice_of_string(method), SLICE("*"));
}

static bool method_covers(const struct rule *a, const struct rule *b) {
    return is_any(a->method) || slice_equals(slice_of_string(a->method), slice_of_string(b->method));
}

static bool covers(const struct rule *a, const struct rule *b) {
    return method_covers(a, b) && glob_covers(slice_of_string(a->path), slice_of_string(b->path));
}

/* Each star as bytes that make an escape whole, if it could be the end of one. */
static struct slice sample(struct slice pattern, char to[static 2 * LIMIT_RULE]) {
    size_t n = 0;

    for (size_t i = 0; i < pattern.n && i < LIMIT_RULE; i++) {
        bool is_star = pattern.p[i] == '*';

        to[n++] = is_star ? '5' : pattern.p[i];
        if (is_star)
            to[n++] = '5';
    }
    return slice_of(to, n);
}

static bool may_be_sent(const struct rule *rule) {
    struct slice method = slice_of_string(rule->method);
    char bytes[2 * LIMIT_RULE];
    struct http_target target;

    if (slice_equals_nocase(method, SLICE("TRACE")) || slice_equals_nocase(method, SLICE("TRACK")))
        return false;
    return http_target_parse(method, sample(slice_of_string(rule->path), bytes), &target) == HTTP_OK;
}

/* A rule that is read as it is written takes such a reading, so that the two together are of use. */
static bool is_allowed_by_another(const struct list *list, const struct rule *rule, struct slice reading) {
    for (size_t i = 0; i < list->n; i++) {
        const struct rule *other = &list->rules[i];
        struct slice path = slice_of_string(other->path);

        if ((method_covers(other, rule) || method_covers(rule, other)) && may_agree(path) &&
            glob_intersects(reading, path))
            return true;
    }
    return false;
}

/* Whether it needs no `;`, dot segment or empty segment to be what it is: escapes alone are another spelling. */
static bool is_only_decoded(struct slice pattern, struct slice reading) {
    char bytes[LIMIT_RULE];

    return pattern.n <= LIMIT_RULE && slice_equals(slice_of(bytes, uri_percent_decode(pattern, bytes)), reading);
}

static bool reads_otherwise(const struct list *list, const struct rule *rule, struct slice reading) {
    struct slice path = slice_of_string(rule->path);

    if (list->is_denial)
        return !is_only_decoded(path, reading);
    return !may_agree(path) && !is_allowed_by_another(list, rule, reading);
}

static bool is_same(const struct rule *a, const struct rule *b) {
    return slice_equals(slice_of_string(a->method), slice_of_string(b->method)) &&
           slice_equals(slice_of_string(a->path), slice_of_string(b->path));
}

/* Whether a deny rule takes more than its path's pattern says (rule_decide): then that is not all to compare. */
static bool takes_more(struct slice pattern) {
    return !is_plain(pattern) || slice_ends_with(pattern, SLICE("/"));
}

/* The first that makes it needless. Of two that cover each other it is the later one. */
static const struct rule *find_cover(const struct list *list, const struct rule *rule) {
    bool wants_same = list->is_denial && takes_more(slice_of_string(rule->path));

    for (size_t i = 0; i < list->n; i++) {
        const struct rule *other = &list->rules[i];

        if (other != rule && (wants_same ? is_same(other, rule) : covers(other, rule)) &&
            (other < rule || !covers(rule, other)))
            return other;
    }
    return NULL;
}

static const struct rule *find_denial(const struct credential *credential, const struct rule *rule) {
    for (size_t i = 0; i < credential->n_deny; i++)
        if (covers(&credential->deny[i], rule))
            return &credential->deny[i];
    return NULL;
}

static void lint_rule(const struct credential *credential, const struct list *list, const struct rule *rule,
                      rule_warn *warn, void *context) {
    struct rule_warning warning = {.is_denial = list->is_denial, .rule = rule};
    struct reading reading;

    read_path(slice_of_string(rule->path), &reading);
    if (!may_be_sent(rule)) {
        warning.kind = RULE_NEVER_SENT;
    } else if (reading.n < 0) {
        warning.kind = RULE_UNREADABLE;
    } else if (reads_otherwise(list, rule, text_of(&reading))) {
        warning.kind = RULE_READS_OTHERWISE;
        warning.reading = text_of(&reading);
    } else if (!list->is_denial && (warning.other = find_denial(credential, rule))) {
        warning.kind = RULE_ALWAYS_DENIED;
    } else if ((warning.other = find_cover(list, rule))) {
        warning.kind = is_same(warning.other, rule) ? RULE_DUPLICATE : RULE_COVERED;
    } else {
        return;
    }
    warn(&warning, context);
}

void rule_lint(const struct credential *credential, rule_warn *warn, void *context) {
    const struct list lists[] = {
        {credential->allow, credential->n_allow, false},
        {credential->deny, credential->n_deny, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t k = 0; k < lists[i].n; k++)
            lint_rule(credential, &lists[i], &lists[i].rules[k], warn, context);
}
