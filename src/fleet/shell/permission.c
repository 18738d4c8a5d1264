#include "fleet/shell/permission.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "fleet/shell/pattern.h"
#include "fleet/shell/shell.h"
#include "fleet/shell/variables.h"

/* The last rule is `*`, and allows: whatever is found, it decides. */
static bool allows_everything(const struct command_rules *rules) {
    const struct command_rule *last = rules->n > 0 ? &rules->rules[rules->n - 1] : NULL;

    return rules->allows_all || (last && last->allows && slice_equals(slice_of_string(last->pattern), SLICE("*")));
}

static void patterns_free(struct pattern *patterns, size_t n) {
    for (size_t i = 0; i < n; i++)
        pattern_done(&patterns[i]);
    free(patterns);
}

static int patterns_compile(const struct command_rules *rules, struct pattern **ret) {
    struct pattern *patterns = calloc(rules->n + 1, sizeof(*patterns));
    int error = patterns ? 0 : -ENOMEM;

    for (size_t i = 0; i < rules->n && error == 0; i++) {
        struct slice text = slice_of_string(rules->rules[i].pattern);

        error = pattern_compile(slice_first(text, LIMIT_COMMAND_PATTERN), &patterns[i]);
    }
    if (error < 0) {
        if (patterns)
            patterns_free(patterns, rules->n);
        return error;
    }
    *ret = patterns;
    return 0;
}

/*
 * From the last to the first. One that denies counts if it might match, one that allows only if it matches in any case;
 * where it might, those before it are asked as well, and all who would decide must agree.
 */
static const struct command_rule *rule_for(const struct command_rules *rules, const struct pattern *patterns,
                                           struct slice seen) {
    for (size_t i = rules->n; i-- > 0;) {
        bool decides = rules->rules[i].allows ? pattern_covers(&patterns[i], seen) : pattern_meets(&patterns[i], seen);

        if (decides)
            return &rules->rules[i];
    }
    return NULL;
}

static int judge(const struct command_rules *rules, const struct pattern *patterns, const struct found *found,
                 struct judgement *ret) {
    ret->text = malloc(found->shown.n + 1);
    if (!ret->text)
        return -ENOMEM;
    memcpy(ret->text, found->shown.p, found->shown.n);
    ret->text[found->shown.n] = '\0';
    ret->within = found->within;
    ret->rule = rule_for(rules, patterns, found->seen);
    ret->is_allowed = ret->rule && ret->rule->allows;
    return 0;
}

static int judge_all(const struct command_rules *rules, const struct findings *findings, struct verdict *ret) {
    struct pattern *patterns = NULL;
    int error = patterns_compile(rules, &patterns);

    if (error < 0)
        return error;
    ret->judgements = calloc(findings->n + 1, sizeof(*ret->judgements));
    if (!ret->judgements)
        error = -ENOMEM;
    for (; error == 0 && ret->n < findings->n; ret->n++) {
        error = judge(rules, patterns, &findings->found[ret->n], &ret->judgements[ret->n]);
        ret->is_allowed = ret->is_allowed && ret->judgements[ret->n].is_allowed;
    }
    patterns_free(patterns, rules->n);
    return error;
}

int permission_judge(const struct command_rules *rules, struct slice command, struct verdict *ret) {
    _cleanup_(findings_done) struct findings findings = {0};
    bool is_open = allows_everything(rules);
    int error;

    *ret = (struct verdict){.is_allowed = true};
    if (rules->allows_all)
        return 0;
    error = shell_find(command, &findings);
    if (error < 0 || (findings.fault && is_open))
        return error;
    if (findings.fault) {
        ret->is_allowed = false;
        ret->fault = strdup(findings.fault);
        return ret->fault ? 0 : -ENOMEM;
    }
    return judge_all(rules, &findings, ret);
}

void verdict_done(struct verdict *verdict) {
    for (size_t i = 0; i < verdict->n; i++)
        free(verdict->judgements[i].text);
    free(verdict->judgements);
    free(verdict->fault);
    *verdict = (struct verdict){0};
}

/* What bash or a tool would take for more than data. */
static bool needs_rule(struct slice name, struct slice value) {
    enum variable_kind kind = variable_kind(name);

    if (kind == VARIABLE_LOCALE)
        return !locale_is_plain(value);
    return kind == VARIABLE_STEERS || kind == VARIABLE_READS || kind == VARIABLE_INTEGER || slice_has(value, '`') ||
           memmem(value.p, value.n, "$(", 2) != NULL || memmem(value.p, value.n, "() {", 4) != NULL;
}

int permission_judge_variable(const struct command_rules *rules, struct slice name, struct slice value,
                              bool *ret_is_allowed) {
    const struct command_rule *rule;
    struct pattern *patterns = NULL;
    struct buf text;
    int error;

    *ret_is_allowed = true;
    if (rules->allows_all || !needs_rule(name, value))
        return 0;
    buf_init(&text, name.n + value.n + 1);
    error = buf_append(&text, name);
    if (error == 0)
        error = buf_append(&text, SLICE("="));
    if (error == 0)
        error = buf_append(&text, value);
    if (error == 0)
        error = patterns_compile(rules, &patterns);
    if (error == 0) {
        rule = rule_for(rules, patterns, buf_slice(&text));
        *ret_is_allowed = rule && rule->allows;
        patterns_free(patterns, rules->n);
    }
    buf_release(&text);
    return error;
}

static int append_all(struct buf *to, const struct slice *parts, size_t n) {
    int error = 0;

    for (size_t i = 0; i < n && error == 0; i++)
        error = buf_append(to, parts[i]);
    return error;
}

int verdict_describe(const struct verdict *verdict, struct slice command, struct buf *to) {
    const struct judgement *denied = verdict->judgements;

    if (verdict->fault) {
        struct slice parts[] = {SLICE("command denied (not understood: "), slice_of_string(verdict->fault),
                                SLICE("): "), command};

        return append_all(to, parts, ARRAY_LEN(parts));
    }
    while (denied->is_allowed)
        denied++;
    if (denied->rule) {
        struct slice parts[] = {SLICE("command denied by rule '"), slice_of_string(denied->rule->pattern), SLICE("': "),
                                slice_of_string(denied->text)};

        return append_all(to, parts, ARRAY_LEN(parts));
    }
    struct slice parts[] = {SLICE("command denied (no matching allow rule): "), slice_of_string(denied->text)};
    return append_all(to, parts, ARRAY_LEN(parts));
}
