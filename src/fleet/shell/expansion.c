#include "fleet/shell/expansion.h"

#include "fleet/shell/arithmetic.h"
#include "fleet/shell/document.h"
#include "fleet/shell/grammar.h"

/* What is split into words, or is one. */
static enum piece piece_of(enum quoting quoting) {
    return quoting == QUOTED_NOT ? 0 : PIECE_SINGLE;
}

static bool read_name(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r;
    size_t from = r->at++, n = name_length(slice_from(r->text, r->at));
    struct slice name = slice_of(r->text.p + r->at, n);

    r->at += n;
    return builder_put_unknown(b, from, piece_of(quoting), name);
}

/* `$1`, `$?` and their kin. */
static bool read_special(struct builder *b, enum quoting quoting, char c) {
    size_t from = b->r->at;

    /* "$${x}": bash reads on as if the second dollar sign began something, and finds later that it did not */
    if (c == '$' &&
        (slice_has(SLICE("({['"), reader_peek(b->r, 2)) || (reader_peek(b->r, 2) == '"' && quoting != QUOTED_STRING)))
        return reader_fault(b->r, from, "$$ with something behind it that a dollar sign could begin");
    b->r->at += 2;
    if (c == '#' || c == '?' || c == '$')
        return builder_put_unknown(b, from, PIECE_SINGLE | PIECE_NUMBER | PIECE_SOLID, SLICE_EMPTY);
    if (c == '!')
        return builder_put_unknown(b, from, piece_of(quoting) | PIECE_NUMBER, SLICE_EMPTY);
    return builder_put_unknown(b, from, c == '@' ? 0 : piece_of(quoting), SLICE_EMPTY);
}

static bool read_substitution(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r;
    size_t from = r->at;
    bool is_number = false;

    r->at += 2;
    if (!substitution_read(r, "command substitution", &is_number))
        return false;
    return builder_put_unknown(b, from, piece_of(quoting) | (is_number ? PIECE_NUMBER : 0), SLICE_EMPTY);
}

static bool read_arithmetic(struct builder *b) {
    size_t from = b->r->at++;

    if (!arithmetic_command_read(b->r))
        return false;
    return builder_put_unknown(b, from, PIECE_SINGLE | PIECE_NUMBER | PIECE_SOLID, SLICE_EMPTY);
}

/* A dollar sign that begins nothing. */
static bool read_dollar(struct builder *b, enum quoting quoting) {
    b->has_bare_dollar = b->has_bare_dollar || quoting == QUOTED_NOT;
    b->r->at++;
    return builder_put(b, SLICE("$"));
}

bool expansion_read(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r;
    char next = reader_peek(r, 1);

    if (next == '(')
        return reader_peek(r, 2) == '(' ? read_arithmetic(b) : read_substitution(b, quoting);
    if (next == '{')
        return parameter_read(b, quoting);
    if (next == '[')
        return reader_fault(r, r->at, "$[ ]: write $(( ))");
    if (next == '\'' && quoting == QUOTED_NOT)
        return ansi_quoted_read(b);
    if (is_name_start(next))
        return read_name(b, quoting);
    if (next != '\0' && slice_has(SLICE("0123456789@*#?$!-"), next))
        return read_special(b, quoting, next);
    return read_dollar(b, quoting);
}

/*
 * Within backquotes a backslash quotes `$`, a backquote and itself, and only then is the text read as commands. Quoting
 * a double quote so, where double quotes stand around it all, is too old an art.
 */
static bool unquote(struct reader *r, size_t end, enum quoting quoting, struct slice *ret) {
    char *text = arena_take(&r->shell->findings->memory, end - r->at + 1);
    size_t n = 0;

    if (!text)
        return reader_short(r);
    while (r->at < end) {
        char c = reader_peek(r, 0), next = reader_peek(r, 1);

        if (c == '\\' && (next == '\n' || (next == '"' && quoting != QUOTED_NOT)))
            return reader_fault(r, r->at, "this backslash within backquotes: use $( )");
        if (c == '\\' && slice_has(SLICE("$`\\"), next))
            r->at++;
        text[n++] = reader_peek(r, 0);
        r->at++;
    }
    *ret = slice_of(text, n);
    return true;
}

static bool find_backquote(struct reader *r, size_t *ret) {
    size_t at = r->at + 1;

    while (at < r->text.n && r->text.p[at] != '`')
        at += r->text.p[at] == '\\' ? 2 : 1;
    if (at >= r->text.n)
        return reader_fault(r, r->at, "an unclosed backquote");
    *ret = at;
    return true;
}

bool backquoted_read(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r, inner;
    size_t from = r->at, end = 0;
    struct slice text = SLICE_EMPTY;

    if (!find_backquote(r, &end))
        return false;
    r->at++;
    if (!unquote(r, end, quoting, &text))
        return false;
    r->at = end + 1;
    inner = reader_within(r, text, from, "command substitution");
    if (!text_read(&inner))
        return false;
    return builder_put_unknown(b, from, piece_of(quoting), SLICE_EMPTY);
}

bool process_substitution_read(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at, n_commands = r->shell->n_commands;

    if (r->is_posix)
        return reader_fault(r, from, "a process substitution is not known to every sh");
    r->at += 2;
    if (!substitution_read(r, "process substitution", NULL))
        return false;
    /* without a command in it, bash makes nothing of it */
    if (r->shell->n_commands == n_commands)
        return builder_put_unknown(b, from, 0, SLICE_EMPTY);
    return builder_put_pipe(b, from);
}
