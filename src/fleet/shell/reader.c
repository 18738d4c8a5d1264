#include "fleet/shell/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/limits.h"
#include "fleet/shell/document.h"

struct reader reader_within(const struct reader *outer, struct slice text, size_t at, const char *within) {
    return (struct reader){
        .shell = outer->shell,
        .text = text,
        .depth = outer->depth,
        .is_posix = outer->is_posix,
        .within = within,
        .outer = outer,
        .outer_at = at,
    };
}

struct place {
    size_t line, column; /* from 1, in characters */
};

static struct place place_of(const struct reader *r, size_t at) {
    struct place place = {.line = 1, .column = 1};

    for (size_t i = 0; i < MIN_OF(at, r->text.n); i++) {
        if (r->text.p[i] == '\n')
            place = (struct place){.line = place.line + 1, .column = 1};
        else if (((unsigned char)r->text.p[i] & 0xC0) != 0x80)
            place.column++;
    }
    return place;
}

/* Printable, whatever stood in the arguments. */
static void make_printable(char *text) {
    for (; *text; text++) {
        if (*text < ' ' || *text > '~')
            *text = '?';
    }
}

bool reader_fault(const struct reader *r, size_t at, const char *format, ...) {
    struct findings *findings = r->shell->findings;
    char why[LIMIT_REASON], line[LIMIT_REASON + 128];
    const char *within = NULL;
    struct slice copy;
    struct place place;
    va_list arguments;

    if (findings->fault || r->shell->has_no_memory)
        return false;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    make_printable(why);
    /* a text that was made of quoted words has places of its own, which nobody sees: the outermost counts */
    for (; r->outer; r = r->outer) {
        within = r->within;
        at = r->outer_at;
    }
    place = place_of(r, at);
    (void)snprintf(line, sizeof(line), "line %zu, column %zu: %s%s%s", place.line, place.column,
                   within ? "within its " : "", within ? within : "", within ? ": " : "");
    (void)snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s", why);
    copy = arena_copy(&findings->memory, slice_of_string(line));
    findings->fault = copy.p ? copy.p : "too much of it";
    return false;
}

bool reader_short(const struct reader *r) {
    if (errno == ENOBUFS)
        return reader_fault(r, r->at, "more than can be looked at");
    r->shell->has_no_memory = true;
    return false;
}

bool reader_descend(struct reader *r, size_t at) {
    if (r->depth >= LIMIT_SHELL_DEPTH)
        return reader_fault(r, at, "more than %d levels deep", LIMIT_SHELL_DEPTH);
    r->depth++;
    return true;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Bytes that might become an operator together with the one before the line's end. */
static bool may_join(char c) {
    return slice_has(SLICE("&|;<>()-#{!"), c);
}

/*
 * A backslash at the end of a line is as if neither were there. Where that would join two bytes to an operator or a
 * word, it is a fault, so that nobody has to look through it elsewhere.
 */
static bool skip_continuation(struct reader *r) {
    char before = r->at > 0 ? r->text.p[r->at - 1] : ' ', after = reader_peek(r, 2);

    if (!is_blank(before) && before != '\n' && may_join(after))
        return reader_fault(r, r->at, "a line that goes on in the middle of an operator");
    r->at += 2;
    return true;
}

bool skip_blanks(struct reader *r) {
    for (;;) {
        if (is_blank(reader_peek(r, 0)))
            r->at++;
        else if (reader_sees(r, SLICE("\\\n"))) {
            if (!skip_continuation(r))
                return false;
        } else {
            break;
        }
    }
    if (reader_peek(r, 0) == '#')
        r->at += slice_index(slice_from(r->text, r->at), '\n');
    return true;
}

bool skip_lines(struct reader *r) {
    for (;;) {
        if (!skip_blanks(r))
            return false;
        if (reader_peek(r, 0) != '\n')
            return true;
        r->at++;
        if (!documents_read(r))
            return false;
    }
}

bool is_word_end(char c) {
    return c == '\0' || slice_has(SLICE(" \t\n;&|()<>"), c);
}

bool reader_is_at_word_end(const struct reader *r, size_t ahead) {
    return is_word_end(reader_peek(r, ahead)) || (reader_peek(r, ahead) == '\\' && reader_peek(r, ahead + 1) == '\n');
}

struct slice peek_keyword(const struct reader *r) {
    size_t n = 0;

    while (n < 16 &&
           ((reader_peek(r, n) >= 'a' && reader_peek(r, n) <= 'z') || slice_has(SLICE("!{}[]"), reader_peek(r, n))))
        n++;
    if (!reader_is_at_word_end(r, n))
        n = 0;
    return slice_of(r->text.p + r->at, n);
}
