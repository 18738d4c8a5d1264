#include "fleet/shell/document.h"

#include "base/limits.h"
#include "fleet/shell/grammar.h"

/* Delimiters of plain bytes, in one kind of quotes or none: who quotes half of one is up to something. */
static bool is_delimiter_byte(char c) {
    return is_name_byte(c) || (c != '\0' && slice_has(SLICE("-.+:@%^,/!="), c));
}

static bool read_delimiter(struct reader *r, struct document *document) {
    char quote = reader_peek(r, 0);
    size_t from;

    document->is_quoted = quote == '\'' || quote == '"' || quote == '\\';
    r->at += document->is_quoted;
    from = r->at;
    while (is_delimiter_byte(reader_peek(r, 0)) || (reader_peek(r, 0) == ' ' && (quote == '\'' || quote == '"')))
        r->at++;
    document->delimiter = reader_since(r, from);
    if (quote == '\'' || quote == '"') {
        if (reader_peek(r, 0) != quote)
            return false;
        r->at++;
    }
    return document->delimiter.n > 0 && is_word_end(reader_peek(r, 0));
}

bool document_open(struct reader *r, bool strips_tabs, struct document **ret) {
    struct document *document = arena_take(&r->shell->findings->memory, sizeof(*document)), **last = &r->waiting;

    if (!document)
        return reader_short(r);
    *document = (struct document){.strips_tabs = strips_tabs};
    if (!skip_blanks(r))
        return false;
    document->at = r->at;
    if (!read_delimiter(r, document))
        return reader_fault(r, document->at, "a here-document's delimiter that is not plain");
    for (size_t n = 0; *last; last = &(*last)->next) {
        if (++n == LIMIT_SHELL_DEPTH)
            return reader_fault(r, document->at, "more than %d here-documents at once", LIMIT_SHELL_DEPTH);
    }
    *last = document;
    *ret = document;
    return true;
}

static struct slice without_tabs(struct slice line) {
    size_t n = 0;

    while (n < line.n && line.p[n] == '\t')
        n++;
    return slice_from(line, n);
}

/* A backslash at its end that no other one quotes: the next line belongs to it. */
static bool goes_on(struct slice line) {
    size_t n = 0;

    while (n < line.n && line.p[line.n - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/*
 * To behind the last line; what stands before it is the text. A line that goes on might make or hide a last line: where
 * that is not plain it is a fault.
 */
static bool find_end(struct reader *r, const struct document *document, struct slice *ret) {
    bool was_going_on = false;

    for (size_t from = r->at; r->at < r->text.n;) {
        struct slice rest = slice_from(r->text, r->at), line = slice_first(rest, slice_index(rest, '\n')), bare;
        bool is_going_on = !document->is_quoted && goes_on(line);
        size_t at = r->at;

        r->at += line.n + (line.n < rest.n);
        bare = document->strips_tabs ? without_tabs(line) : line;
        if (slice_equals(bare, document->delimiter)) {
            *ret = slice_of(r->text.p + from, at - from);
            return was_going_on ? reader_fault(r, at, "a last line of a here-document that belongs to the one before")
                                : true;
        }
        if (is_going_on &&
            (document->strips_tabs || slice_starts_with(document->delimiter, slice_first(bare, bare.n - 1))))
            return reader_fault(r, at, "a line of a here-document that goes on and might become its last");
        was_going_on = is_going_on;
    }
    return reader_fault(r, document->at, "a here-document without its last line");
}

/* A copy, each line without the tabs that it begins with. */
static bool strip_tabs(struct reader *r, struct slice text, struct slice *ret) {
    char *copy = arena_take(&r->shell->findings->memory, text.n + 1);
    size_t n = 0;

    if (!copy)
        return reader_short(r);
    while (text.n > 0) {
        struct slice line = slice_first(text, slice_index(text, '\n') + 1), bare = without_tabs(line);

        memcpy(copy + n, bare.p, bare.n);
        n += bare.n;
        text = slice_from(text, line.n);
    }
    *ret = slice_of(copy, n);
    return true;
}

/* The text of one whose delimiter is not quoted: its expansions are read, and what it becomes is put together. */
static bool expand(struct reader *r, const struct document *document, struct slice *text, bool *ret_is_known) {
    _cleanup_builder_ struct builder b;
    struct reader inner;

    if (document->strips_tabs) {
        inner = reader_within(r, *text, document->at, "here-document");
    } else {
        /* it is read where it stands, so that faults in it name the line */
        inner = *r;
        inner.text.n = (size_t)(text->p + text->n - r->text.p);
        inner.at = (size_t)(text->p - r->text.p);
    }
    builder_init(&b, &inner);
    if (!read_document_text(&b))
        return false;
    *ret_is_known = b.is_known;
    *text = arena_copy(&r->shell->findings->memory, buf_slice(&b.seen));
    return text->p ? true : reader_short(r);
}

/* A shell reads the document as commands. */
static bool run(struct reader *r, const struct document *document, struct slice text) {
    struct reader inner = reader_within(r, text, document->at, document->runs_within);

    inner.is_posix = document->runs_as_posix;
    if (!reader_descend(&inner, 0))
        return false;
    return text_read(&inner);
}

static bool read_one(struct reader *r, const struct document *document) {
    struct slice text = SLICE_EMPTY;
    bool is_known = true;

    if (!find_end(r, document, &text) || (document->strips_tabs && !strip_tabs(r, text, &text)))
        return false;
    if (!document->is_quoted && !expand(r, document, &text, &is_known))
        return false;
    if (!document->runs_within)
        return true;
    if (!is_known)
        return reader_fault(r, document->at, "a here-document for a shell, with parts that only the run knows");
    return run(r, document, text);
}

bool documents_read(struct reader *r) {
    const struct document *document = r->waiting;

    r->waiting = NULL;
    for (; document; document = document->next) {
        if (!read_one(r, document))
            return false;
    }
    return true;
}

bool documents_closed(struct reader *r) {
    return r->waiting ? reader_fault(r, r->waiting->at, "a here-document without its text") : true;
}
