/*
 * The compound commands that bash knows by a word, and what grammar.c and they need of one another. Each function
 * stands behind the word that begins its command, and leaves the reader behind the one that ends it.
 */
#pragma once

#include "fleet/shell/grammar.h"

bool if_read(struct reader *r);
bool while_read(struct reader *r);
bool for_read(struct reader *r); /* and select */
bool case_read(struct reader *r);

/* Commands to a word or an operator that ends them, and stands there then. */
bool list_read(struct reader *r);

/* Whether that word stands here; then it is taken. The other: or it is a fault. */
bool keyword_take(struct reader *r, struct slice keyword);
bool keyword_expect(struct reader *r, struct slice keyword);

/* Behind a function's name. */
bool function_read(struct reader *r, struct slice name, size_t at);
