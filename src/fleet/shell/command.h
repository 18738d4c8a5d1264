/*
 * A simple command as it was read, and how it becomes text for rules. Made by simple.c, and by habits.c of the words
 * that a command is given to run.
 */
#pragma once

#include "fleet/shell/word.h"

enum redirection_kind {
    REDIRECTION_TO,       /* a file is written, or may be */
    REDIRECTION_FROM,     /* a file is read */
    REDIRECTION_TEXT,     /* a word is (`<<<`) */
    REDIRECTION_DOCUMENT, /* a here-document is */
    REDIRECTION_NEITHER,  /* a descriptor is copied or closed */
};

/* A here-document, from its `<<` to its last line. */
struct document {
    struct document *next;
    struct slice delimiter;
    bool is_quoted; /* its text is taken as it is */
    bool strips_tabs;
    size_t at;
    const char *runs_within; /* a shell reads its text as commands: the shell's name; or NULL */
    bool runs_as_posix;
};

struct redirection {
    enum redirection_kind kind;
    struct word target;
    struct document *document;
};

struct command {
    size_t at;
    struct word *assignments;
    size_t n_assignments;
    struct word *words;
    size_t n_words;
    struct redirection *redirections;
    size_t n_redirections;
    size_t n_lists; /* assignments of `( )` before it */
    bool is_given;  /* to another to run, whose text shows the redirections already */
};

/* Its text is found: assignments, words, redirections that show. Nothing is looked into. */
bool command_add(struct reader *r, const struct command *command);

/* The redirections of a compound command, as a command of their own, if they show at all. */
bool command_add_redirections(struct reader *r, const struct redirection *redirections, size_t n);

/* It, and all that it is known to run or to change. In habits.c. */
bool command_found(struct reader *r, const struct command *command);
