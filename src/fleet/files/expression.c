#include "fleet/files/expression.h"

#include <errno.h>

/* Upper-case letters that stand for themselves: those of \S and \W do not, nor does the P of (?P<name>...). */
static bool has_upper_case(struct slice pattern) {
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] == '\\')
            i++;
        else if (pattern.p[i] >= 'A' && pattern.p[i] <= 'Z' && !(i > 1 && pattern.p[i - 1] == '?'))
            return true;
    }
    return false;
}

int expression_init(struct expression *expression, struct slice pattern) {
    int r;

    *expression = (struct expression){.fixed = pattern, .ignores_case = !has_upper_case(pattern)};
    r = expression_parse(pattern, expression->ignores_case, &expression->program);
    expression->is_fixed = r < 0;
    return r == -ENOMEM ? r : 0;
}

void expression_done(struct expression *expression) {
    expression_program_done(&expression->program);
}

static bool has_fixed(const struct expression *expression, struct slice line) {
    struct slice fixed = expression->fixed;

    if (!expression->ignores_case)
        return memmem(line.p, line.n, fixed.p, fixed.n) != NULL;
    for (size_t i = 0; i + fixed.n <= line.n; i++)
        if (slice_equals_nocase(slice_of(line.p + i, fixed.n), fixed))
            return true;
    return false;
}

bool expression_matches(struct expression *expression, struct slice line) {
    return expression->is_fixed ? has_fixed(expression, line) : expression_program_run(&expression->program, line);
}
