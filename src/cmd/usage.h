/*
 * What every command says in the same way: its help, and one line about an option that it does not take. Used with
 * getopt_long, an option string that starts with ":" (after any "+"), and opterr left alone.
 */
#pragma once

#include <stdbool.h>

/* Prints `text` on standard output. The exit status: 0, or EXIT_CREDFD when it could not be written. */
int usage_print(const char *text);

/* Flushes what a command printed on standard output. The exit status: `status`, or EXIT_CREDFD when that failed. */
int usage_finish(int status);

/*
 * For the answers '?' and ':' of getopt_long, right after it gave them. `argv` is what it was given, its first the
 * command's name. Returns EXIT_CREDFD.
 */
int usage_refuse_option(int answer, char *const argv[]);

/* "COMMAND: what is wrong; see credfd COMMAND --help". Returns EXIT_CREDFD. */
int usage_refuse(const char *command, const char *what);

/*
 * The whole command line of a command that takes no argument but -c FILE and --help, and, where `ret_json` is not NULL,
 * --json. Returns -1 to go on, with `*ret_config` NULL or the file's name; otherwise the exit status.
 */
int usage_parse(int argc, char **argv, const char *text, const char **ret_config, bool *ret_json);
