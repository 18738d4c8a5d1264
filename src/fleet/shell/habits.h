/*
 * What well-known commands do with their words: run them (env, xargs, find -exec), read them as shell text (bash -c,
 * eval, trap), or set variables by them (read, declare). A table by name, each entry in the file of its kind. What a
 * command is given to run is found beside the command itself, never instead of it.
 */
#pragma once

#include "fleet/shell/command.h"

/* `declare` and its kin, behind which bash takes `a=( )` for a list. */
bool is_declaration(const struct word *name);

/* `date +%s`, `wc -l`: the output is a number, while no function has that name. */
bool prints_number(const struct command *command);

/*
 * A command of the words of another, from the one at `first` on, with `n_assignments` of them right before it. Found as
 * if it stood there; `within` is the other's name. Nothing, where no word is left.
 */
bool command_given(struct reader *r, const struct command *command, size_t first, size_t n_assignments,
                   const char *within);

/* Shell text that a word holds, as bash would read it when it comes to run it. */
bool shell_text_found(struct reader *r, const struct word *word, const char *within, bool is_posix);

/* The fault of a word that hides what is run. */
bool hidden(const struct reader *r, const struct word *word, const char *name);

/* The name of the command, without the path. */
struct slice base_name(const struct word *word);

/* Whether `word`, when its content is known, holds an option of one dash with this letter in it. */
bool has_letter(const struct word *word, char letter);

/* One entry: looks at a command whose name is known and which has been added already. */
struct habit {
    struct slice name;
    bool (*look)(struct reader *r, const struct command *command);
};

/* In prefixes.c: commands with options, then a command; any other is passed over. */
bool prefix_look(struct reader *r, const struct command *command);

bool find_look(struct reader *r, const struct command *command);    /* find.c */
bool shell_look(struct reader *r, const struct command *command);   /* shells.c: bash and its kin */
bool foreign_look(struct reader *r, const struct command *command); /* zsh and others, of another grammar */
bool eval_look(struct reader *r, const struct command *command);
bool trap_look(struct reader *r, const struct command *command);
bool watch_look(struct reader *r, const struct command *command);
bool runuser_look(struct reader *r, const struct command *command);
bool string_option_look(struct reader *r, const struct command *command); /* su -c, script -c */

bool never_look(struct reader *r, const struct command *command); /* builtins.c */
bool declare_look(struct reader *r, const struct command *command);
bool getopts_look(struct reader *r, const struct command *command);
bool hash_look(struct reader *r, const struct command *command);
bool jobs_look(struct reader *r, const struct command *command);
bool let_look(struct reader *r, const struct command *command);
bool printf_look(struct reader *r, const struct command *command);
bool read_look(struct reader *r, const struct command *command);
bool set_look(struct reader *r, const struct command *command);
bool shopt_look(struct reader *r, const struct command *command);
bool test_look(struct reader *r, const struct command *command);
bool unset_look(struct reader *r, const struct command *command);
bool wait_look(struct reader *r, const struct command *command);

/* Options of `set -o` and `shopt` that change nothing of what a text means. In options.c. */
bool set_option_is_harmless(struct slice name);
bool shopt_is_harmless(const struct reader *r, struct slice name);
