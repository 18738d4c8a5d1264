/*
 * One text while it is read: where we are in it, how deep within others, and what is wrong with it. Every reading
 * function of this folder stands before what it reads and leaves the reader behind it. It returns true; or false when
 * all of it is over: then the first fault is written down, or memory has run out. Nobody goes on after a false.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "fleet/shell/names.h"
#include "fleet/shell/shell.h"

struct document;

/* What all texts of one command have in common. */
struct shell {
    struct findings *findings;
    struct names names;
    bool globs_may_vanish; /* `nullglob` stands somewhere in it */
    bool has_no_memory;
    size_t n_commands;
};

struct reader {
    struct shell *shell;
    struct slice text;
    size_t at;
    unsigned depth;
    bool is_posix;              /* for any sh: what only bash knows is not understood */
    const char *within;         /* of what is found here */
    struct document *waiting;   /* here-documents that begin behind the next newline */
    size_t n_pipelines;         /* of this substitution so far */
    bool last_is_number;        /* what its last simple command prints */
    const struct reader *outer; /* who reads the text that this one was made of, at `outer_at`; or NULL */
    size_t outer_at;
};

/* A text of its own within `outer`, which stands at `at` there. Its pieces live in the shell's memory. */
struct reader reader_within(const struct reader *outer, struct slice text, size_t at, const char *within);

/* False, always. A line break or another odd byte of an argument is shown as `?`. */
bool reader_fault(const struct reader *r, size_t at, const char *format, ...) _printf_(3, 4);

/* False, always: arena_take or a buffer has failed, and errno says how. */
bool reader_short(const struct reader *r);

/* One level deeper, or a fault. Come up with `r->depth--`. */
bool reader_descend(struct reader *r, size_t at);

static inline bool reader_is_at_end(const struct reader *r) {
    return r->at >= r->text.n;
}

/* The byte `ahead` of here, or NUL beyond the end: no text holds one. */
static inline char reader_peek(const struct reader *r, size_t ahead) {
    return r->text.n - r->at > ahead ? r->text.p[r->at + ahead] : '\0';
}

static inline bool reader_sees(const struct reader *r, struct slice what) {
    return slice_starts_with(slice_from(r->text, r->at), what);
}

/* What was read since `from`. */
static inline struct slice reader_since(const struct reader *r, size_t from) {
    return slice_of(r->text.p + from, r->at - from);
}

/* Bytes that end a word, the end of the text among them; unless they are quoted, or a parenthesis opens behind `<`. */
bool is_word_end(char c);

/* The same where a line goes on: a backslash and its newline, with a word's end behind them or not. */
bool reader_is_at_word_end(const struct reader *r, size_t ahead);

/* Between words: blanks, comments, and lines that go on. */
bool skip_blanks(struct reader *r);

/* Those and newlines, with the here-documents that wait for one. */
bool skip_lines(struct reader *r);

/*
 * A word in which nothing is quoted, as far as bash's reserved words look like: `if`, `{`, `[[`, `!`. Empty when none
 * stands here, or more than that.
 */
struct slice peek_keyword(const struct reader *r);
