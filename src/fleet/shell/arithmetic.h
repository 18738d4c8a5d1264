/*
 * Expressions that bash calculates. What a variable holds is calculated in its turn, and a subscript in it may run
 * commands: so each name in it is noted as counted (names.h), and what is not certainly a number is a fault.
 */
#pragma once

#include "fleet/shell/word.h"

/*
 * Up to the first of `ends` outside parentheses, or the end of the text where `ends` is empty; there the reader stands
 * then. The ends are single bytes.
 */
bool arithmetic_read(struct reader *r, struct slice ends);

/* At `((`, to behind its `))`. */
bool arithmetic_command_read(struct reader *r);

/* The value of a word is calculated. */
bool arithmetic_word(struct reader *r, const struct word *word);
