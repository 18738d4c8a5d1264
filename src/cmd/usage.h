/*
 * What every command says in the same way: its help, and one line about an option that it does not take. Used with
 * getopt_long, an option string that starts with ":" (after any "+"), and opterr left alone.
 */
#pragma once

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
