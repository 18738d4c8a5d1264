/*
 * A word: pieces with and without quotes, and expansions, up to a byte that ends words. What it becomes is known or
 * unknown, piece by piece; commands in it are found on the way. Used by whoever reads words; the pieces that a `$` or
 * a backquote begins are expansion.c's.
 */
#pragma once

#include "base/buf.h"
#include "fleet/shell/reader.h"

struct word {
    size_t at;            /* in the text */
    struct slice written; /* as it stands there */
    struct slice seen;    /* what it becomes: bytes, and SEEN_ANY */
    struct slice shown;   /* the same for people */
    bool is_known;        /* no SEEN_ANY */
    bool is_plain;        /* nothing in it is quoted, or expands */
    bool is_single;       /* one word, whatever its expansions become */
    bool may_vanish;      /* no word at all, perhaps; or several */
    bool is_pipe;         /* a process substitution */
    /* of a word that looks like `NAME=VALUE`, the next two are the value's */
    bool is_number;        /* a decimal number, whatever happens */
    struct slice variable; /* this variable and nothing else: its name; else empty */
    size_t name_n;         /* `NAME=`, `NAME+=` or `NAME[...]=`: of the name; else 0 */
    size_t value_at;       /* in `seen`: behind the `=` */
    bool is_element;       /* `NAME[...]=` */
    bool is_appended;      /* `+=` */
    bool is_list;          /* `NAME=( )`, whose words are unknown */
};

enum word_kind {
    WORD_FIRST, /* where a command or an assignment may begin */
    WORD_ARGUMENT,
    WORD_ELEMENT, /* in `a=( )` */
    WORD_REGEX,   /* behind `=~`: may hold parentheses and bars */
};

/* A word begins here. One that is empty is a fault: who calls has seen that there is something. */
bool word_read(struct reader *r, enum word_kind kind, struct word *ret);

/* A word that was made elsewhere: known, of these bytes. They must live as long. */
struct word word_of(struct slice bytes, size_t at);

/* Its bytes, when they are known and these. */
static inline bool word_is(const struct word *word, struct slice bytes) {
    return word->is_known && slice_equals(word->seen, bytes);
}

/* Whether it might become something that begins so, or is it. */
bool word_may_begin(const struct word *word, struct slice with);

/* What stands behind the `=` of an assignment. */
struct slice word_value(const struct word *word);

/* Where a builder stood when something began that is only understood at the word's end. */
struct mark {
    bool is_set, was_solid;
    size_t at, seen, shown;
};

/* A word, or a part of one, on its way. In builder.c, with what stands in quotes. */
struct builder {
    struct reader *r;
    enum word_kind kind;
    size_t from;
    struct buf seen, shown;
    bool is_known, is_plain;
    bool is_many;   /* something in it may become several words, or none */
    bool is_quoted; /* something in it is: it is a word even when it is empty */
    bool is_solid;  /* it is never empty */
    bool has_glob;
    bool is_pipe;
    bool is_number;
    size_t n_pieces; /* of the value: a number may begin with a sign, a variable has no company */
    struct slice variable;
    size_t name_n, value_at;
    bool is_element, is_appended;
    bool has_bare_dollar;
    struct mark brace, bracket; /* the first `{`, the first `[` */
};

void builder_init(struct builder *b, struct reader *r);
void builder_done(struct builder *b);
#define _cleanup_builder_ _cleanup_(builder_done)

/* What an expansion becomes. */
enum piece {
    PIECE_SINGLE = 1 << 0, /* one word, or a part of one, if it is any */
    PIECE_NUMBER = 1 << 1, /* a decimal number, or nothing */
    PIECE_SOLID = 1 << 2,  /* not nothing */
};

/* Known bytes. */
bool builder_put(struct builder *b, struct slice bytes);
/* Unknown ones, from what is written since `from`; `variable`: nothing but its value. */
bool builder_put_unknown(struct builder *b, size_t from, enum piece piece, struct slice variable);

/* What is written since `from` becomes the name of a pipe. */
bool builder_put_pipe(struct builder *b, size_t from);

/* Where it stands now, unless that was set before; and that what was put since then is not known after all. */
void builder_mark(struct builder *b, struct mark *mark);
bool builder_forget(struct builder *b, const struct mark *mark);

/* From a `"` to its end. */
bool read_double_quoted(struct builder *b);
/* What stands in a here-document: to the end of the text. */
bool read_document_text(struct builder *b);
/* From a `'` to its end. */
bool read_single_quoted(struct builder *b);
