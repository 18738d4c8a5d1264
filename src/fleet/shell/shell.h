/*
 * Finds every simple command that bash would run of a text: those that stand there, those in substitutions, functions
 * and here-documents, and those that other commands are given to run (`env`, `xargs`, `bash -c`, `find -exec`, `trap`).
 * It reads the part of bash's grammar that can be understood with certainty; the rest is a fault that says where.
 * It never guesses, runs nothing, reads no file, and knows nothing of rules.
 *
 * Called by permission.c. How it is made: grammar.c reads lists and compound commands, simple.c simple ones, word.c
 * and expansion.c words; habits.c knows what well-known commands do with theirs.
 */
#pragma once

#include "base/slice.h"
#include "fleet/shell/arena.h"

/*
 * In what is seen of a command, beside its bytes: values that no UTF-8 text holds, for what only the run knows, and for
 * borders that quotes could forge.
 */
#define SEEN_ANY '\xFF'   /* any bytes, also none */
#define SEEN_WORDS '\xFE' /* nothing, or a blank and any bytes: an unquoted expansion may be no word, or many */
#define SEEN_BLANK '\xFD' /* a blank within a word */
#define SEEN_TO '\xFC'    /* the `>` before a file that is written */
#define SEEN_FROM '\xFB'  /* the `<` before /dev/tcp/... */

/* A simple command: its text as rules see it. */
struct found {
    struct slice seen;
    struct slice shown; /* for people: what is unknown stands as it is written */
    const char *within; /* how bash gets to it; NULL: it stands by itself */
};

struct findings {
    struct arena memory; /* of everything here */
    struct found *found; /* in the order of the text */
    size_t n;
    const char *fault; /* why the text is not understood; then some of what stands before it has been found */
};

/* 0 or -ENOMEM; either way findings_done frees it. */
int shell_find(struct slice text, struct findings *ret);
void findings_done(struct findings *findings);
