/*
 * What grep looks for in a line: an expression as ripgrep reads them, as far as hubs write them. Characters, escapes,
 * `.`, sets, \d \w \s and their kin, groups, alternatives, repetition, ^ $ \b \B, a leading (?i). Lazy repetition finds
 * the same lines. Without an upper-case letter case does not count; case is ASCII's, and any other character is one of
 * a word.
 *
 * A line is gone through once, with all the ways in which it may match side by side: there is no line and no expression
 * that takes longer than their lengths multiplied. What this cannot read (look-around, references back, \p, repetition
 * to more than LIMIT_EXPRESSION_SIZE parts) is looked for as it stands, as fixed text.
 */
#pragma once

#include "fleet/files/expression_program.h"

struct expression {
    struct slice fixed; /* looks into the pattern that it was made of */
    bool is_fixed, ignores_case;
    struct expression_program program;
};

/* 0 or -ENOMEM; either way expression_done frees it. `pattern` must live as long. */
int expression_init(struct expression *expression, struct slice pattern);
void expression_done(struct expression *expression);

bool expression_matches(struct expression *expression, struct slice line);

/*
 * Makes a program of it. 0, -EINVAL (it cannot be read), -E2BIG or -ENOMEM; either way expression_program_done frees
 * it.
 */
int expression_parse(struct slice pattern, bool ignores_case, struct expression_program *ret);
