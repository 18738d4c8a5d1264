/*
 * What begins with a `$` or a backquote: parameters, substitutions of commands, arithmetic. Their commands are found,
 * their results are unknown. Called by word.c.
 */
#pragma once

#include "fleet/shell/word.h"

/* Where an expansion stands decides what quotes mean in it, and whether its result is split into words. */
enum quoting {
    QUOTED_NOT,
    QUOTED_STRING,   /* in double quotes */
    QUOTED_DOCUMENT, /* in a here-document */
    QUOTED_NUMBER,   /* in arithmetic, or a subscript */
};

/* At a `$`, which may be no more than that. */
bool expansion_read(struct builder *b, enum quoting quoting);

/* At a backquote. */
bool backquoted_read(struct builder *b, enum quoting quoting);

/* At `<(` or `>(`. */
bool process_substitution_read(struct builder *b);

/* At `${`. In parameter.c. */
bool parameter_read(struct builder *b, enum quoting quoting);

/* At `$'`. In ansi.c. */
bool ansi_quoted_read(struct builder *b);
