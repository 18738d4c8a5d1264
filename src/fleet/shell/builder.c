#include <errno.h>

#include "base/limits.h"
#include "fleet/shell/expansion.h"

void builder_init(struct builder *b, struct reader *r) {
    *b = (struct builder){.r = r, .from = r->at, .is_known = true, .is_plain = true, .is_number = true};
    buf_init(&b->seen, LIMIT_SHELL_MEMORY);
    buf_init(&b->shown, LIMIT_SHELL_MEMORY);
}

void builder_done(struct builder *b) {
    buf_release(&b->seen);
    buf_release(&b->shown);
}

static bool append(struct builder *b, struct slice seen, struct slice shown) {
    int error = buf_append(&b->seen, seen);

    if (error == 0)
        error = buf_append(&b->shown, shown);
    if (error < 0) {
        errno = -error;
        return reader_short(b->r);
    }
    return true;
}

/* Digits; in front of them all, a sign. */
static bool goes_on_as_number(const struct builder *b, struct slice bytes) {
    size_t i = b->n_pieces == 0 && bytes.n > 1 && slice_has(SLICE("+-"), bytes.p[0]) ? 1 : 0;

    while (i < bytes.n && bytes.p[i] >= '0' && bytes.p[i] <= '9')
        i++;
    return i == bytes.n;
}

bool builder_put(struct builder *b, struct slice bytes) {
    if (bytes.n == 0)
        return true;
    b->is_number = b->is_number && goes_on_as_number(b, bytes);
    b->is_solid = true;
    b->variable = SLICE_EMPTY;
    b->n_pieces++;
    return append(b, bytes, bytes);
}

bool builder_put_unknown(struct builder *b, size_t from, enum piece piece, struct slice variable) {
    b->variable = b->n_pieces == 0 ? variable : SLICE_EMPTY;
    b->is_number = b->is_number && (piece & PIECE_NUMBER);
    b->is_solid = b->is_solid || (piece & PIECE_SOLID);
    b->is_many = b->is_many || !(piece & PIECE_SINGLE);
    b->is_known = false;
    b->is_plain = false;
    b->n_pieces++;
    return append(b, SLICE("\xFF"), reader_since(b->r, from));
}

bool builder_put_pipe(struct builder *b, size_t from) {
    b->is_pipe = b->n_pieces == 0;
    b->variable = SLICE_EMPTY;
    b->is_number = b->is_known = b->is_plain = false;
    b->is_solid = true;
    b->n_pieces++;
    return append(b, SLICE("/dev/fd/\xFF"), reader_since(b->r, from));
}

void builder_mark(struct builder *b, struct mark *mark) {
    if (!mark->is_set)
        *mark = (struct mark){true, b->is_solid, b->r->at, buf_length(&b->seen), buf_length(&b->shown)};
}

bool builder_forget(struct builder *b, const struct mark *mark) {
    b->seen.end = b->seen.start + mark->seen;
    b->shown.end = b->shown.start + mark->shown;
    b->is_number = false;
    return builder_put_unknown(b, mark->at, PIECE_SINGLE, SLICE_EMPTY);
}

bool read_single_quoted(struct builder *b) {
    struct reader *r = b->r;
    size_t n = slice_index(slice_from(r->text, r->at + 1), '\'');

    if (r->at + 1 + n >= r->text.n)
        return reader_fault(r, r->at, "an unclosed single quote");
    b->is_plain = false;
    b->is_quoted = true;
    if (!builder_put(b, slice_of(r->text.p + r->at + 1, n)))
        return false;
    r->at += n + 2;
    return true;
}

/* A backslash in double quotes, or in a here-document, where quotes are nothing special. */
static bool read_quoted_backslash(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r;
    char next = reader_peek(r, 1), before = r->at > 0 ? r->text.p[r->at - 1] : '\0';
    bool escapes = slice_has(SLICE("$`\\"), next) || (next == '"' && quoting == QUOTED_STRING);

    if (next == '\0' || next == '\n') {
        if (next == '\0' && quoting == QUOTED_STRING)
            return reader_fault(r, r->at, "a backslash with nothing behind it");
        if (next == '\n' && before == '$')
            return reader_fault(r, r->at, "a line that goes on in the middle of an expansion");
        r->at += next == '\n' ? 2 : 1;
        return next == '\n' ? true : builder_put(b, SLICE("\\"));
    }
    if (!builder_put(b, slice_of(r->text.p + r->at + escapes, escapes ? 1 : 2)))
        return false;
    r->at += 2;
    return true;
}

/* What double quotes and here-documents have in common: a run of bytes, or one thing that is special in both. */
static bool read_quoted_piece(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r;
    struct slice special = quoting == QUOTED_STRING ? SLICE("\\$`\"") : SLICE("\\$`");
    size_t n = 0;

    switch (reader_peek(r, 0)) {
    case '\\':
        return read_quoted_backslash(b, quoting);
    case '$':
        return expansion_read(b, quoting);
    case '`':
        return backquoted_read(b, quoting);
    default:
        break;
    }
    while (r->at + n < r->text.n && !slice_has(special, r->text.p[r->at + n]))
        n++;
    if (!builder_put(b, slice_of(r->text.p + r->at, n)))
        return false;
    r->at += n;
    return true;
}

bool read_double_quoted(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at;

    b->is_plain = false;
    b->is_quoted = true;
    r->at++;
    while (!reader_is_at_end(r) && reader_peek(r, 0) != '"') {
        if (!read_quoted_piece(b, QUOTED_STRING))
            return false;
    }
    if (reader_is_at_end(r))
        return reader_fault(r, from, "an unclosed double quote");
    r->at++;
    return true;
}

bool read_document_text(struct builder *b) {
    while (!reader_is_at_end(b->r)) {
        if (!read_quoted_piece(b, QUOTED_DOCUMENT))
            return false;
    }
    return true;
}
