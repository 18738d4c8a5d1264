/*
 * Whether a command may be run, by the rules of `permission.bash`: every simple command that bash would run of it is
 * found (shell.h), and each must be allowed. Pure: text in, verdict out. What cannot be understood is denied.
 *
 * A pattern is compared with the whole text of a simple command: its words with their quotes removed, one blank between
 * them, assignments before the command's name as they are, and a redirection that writes a file as ` > FILE` behind
 * it. `*` stands for any bytes, also none, `?` for one, and `[...]` for one of a set; everything else for itself. A
 * pattern that ends in ` *` also matches without that ending. The last rule that matches decides; none is a no.
 *
 * What the shell would put there only when it runs (`$x`, a glob, a tilde) is unknown: an allowing rule must match
 * whatever it may become, a denying one if it might. An allowing rule also means each border that it shows: its blanks
 * stand between words, never within one, and its `*` ends before a redirection, which it has to name (`cat * > *`). A
 * `*` by itself takes everything; where the last rule is one that allows, nothing need be understood.
 *
 * Used by credfd-task, before it has anything run, and by `credfd runner explain`.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "fleet/settings.h"

/* One simple command, and what became of it. */
struct judgement {
    char *text;                      /* of the command, as rules see it; unknown parts as they are written */
    const struct command_rule *rule; /* that decided; NULL: none matched */
    bool is_allowed;
    const char *within; /* how bash gets to it: "command substitution", "env", "bash -c"; NULL: it stands by itself */
};

struct verdict {
    bool is_allowed;
    char *fault; /* why it is not understood, with line and column; NULL when it is. Then nothing is allowed */
    struct judgement *judgements; /* in the order of the text; none where everything is allowed unseen */
    size_t n;
};

/* 0 or -ENOMEM; either way verdict_done frees it. `rules` must live as long. */
int permission_judge(const struct command_rules *rules, struct slice command, struct verdict *ret);
void verdict_done(struct verdict *verdict);

/*
 * A variable that a task brings along is an assignment before everything: one that steers bash, the loader or a tool
 * (PATH, BASH_ENV, LD_PRELOAD: variables.h), or whose value bash could take for code, needs a rule for the text
 * `NAME=value`; any other passes. 0 with the answer, or -ENOMEM.
 */
int permission_judge_variable(const struct command_rules *rules, struct slice name, struct slice value,
                              bool *ret_is_allowed);

/*
 * What the hub is told of one that is not allowed: `command denied by rule 'PATTERN': TEXT` or `command denied (no
 * matching allow rule): TEXT`, of the first simple command that is denied; or `command denied (not understood: FAULT):
 * COMMAND`, whole. 0, or -errno of buf_append.
 */
int verdict_describe(const struct verdict *verdict, struct slice command, struct buf *to);
