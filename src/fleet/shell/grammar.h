/*
 * bash's grammar above simple commands: lists, pipelines, compound commands, functions. It keeps nothing of what it
 * reads: a simple command is found when it ends, and that is all that counts.
 */
#pragma once

#include "fleet/shell/command.h"

/* A text from its beginning to its end. */
bool text_read(struct reader *r);

/*
 * Behind `$(`, `<(` or `>(`: to behind the `)`. `*ret_is_number` unless NULL: it prints a decimal number, whatever
 * happens.
 */
bool substitution_read(struct reader *r, const char *within, bool *ret_is_number);

/* A compound command with its redirections; here stands the first byte of one, or it is a fault. */
bool compound_read(struct reader *r);

/* A simple command, or a function's definition. In simple.c. */
bool simple_read(struct reader *r);

/* Behind `[[`: to behind its `]]`. In condition.c. */
bool condition_read(struct reader *r);

/* Whether a redirection stands here: `>`, `2>`, `{fd}>`, and not `>(`. In redirection.c. */
bool redirection_is_here(const struct reader *r);
bool redirection_read(struct reader *r, struct redirection *ret);

/* All that stand here, behind a compound command. */
bool redirections_read(struct reader *r);
