#include "fleet/shell/loops.h"

#include "fleet/shell/arithmetic.h"

bool if_read(struct reader *r) {
    do {
        if (!list_read(r) || !keyword_expect(r, SLICE("then")) || !list_read(r))
            return false;
    } while (keyword_take(r, SLICE("elif")));
    if (keyword_take(r, SLICE("else")) && !list_read(r))
        return false;
    return keyword_expect(r, SLICE("fi"));
}

static bool read_body(struct reader *r) {
    return keyword_expect(r, SLICE("do")) && list_read(r) && keyword_expect(r, SLICE("done"));
}

bool while_read(struct reader *r) {
    return list_read(r) && read_body(r);
}

/* `do` and `done`, or braces, which only bash knows here. */
static bool read_for_body(struct reader *r) {
    if (!skip_lines(r))
        return false;
    if (!r->is_posix && keyword_take(r, SLICE("{")))
        return list_read(r) && keyword_expect(r, SLICE("}"));
    return read_body(r);
}

/* `;`, or nothing. */
static bool skip_semicolon(struct reader *r) {
    if (!skip_blanks(r))
        return false;
    if (reader_peek(r, 0) == ';' && reader_peek(r, 1) != ';')
        r->at++;
    return true;
}

/* `for ((a; b; c))` */
static bool read_counting(struct reader *r) {
    size_t from = r->at;

    if (r->is_posix)
        return reader_fault(r, from, "for (( )) is not known to every sh");
    r->at += 2;
    for (int i = 0; i < 3; i++) {
        if (!arithmetic_read(r, i < 2 ? SLICE(";") : SLICE(")")))
            return false;
        r->at++;
    }
    if (reader_peek(r, 0) != ')')
        return reader_fault(r, from, "for (( that does not end in ))");
    r->at++;
    return skip_semicolon(r) && read_for_body(r);
}

/* Words up to the end of a line, or a semicolon. */
static bool read_words(struct reader *r, bool *ret_are_numbers) {
    struct word word;

    *ret_are_numbers = true;
    for (;;) {
        if (!skip_blanks(r))
            return false;
        if (reader_peek(r, 0) == ';' || reader_peek(r, 0) == '\n')
            return skip_semicolon(r);
        if (!word_read(r, WORD_ARGUMENT, &word))
            return false;
        *ret_are_numbers = *ret_are_numbers && word.is_number;
    }
}

bool for_read(struct reader *r) {
    bool are_numbers = false;
    struct slice name;
    size_t at;

    if (!skip_blanks(r))
        return false;
    if (reader_sees(r, SLICE("((")))
        return read_counting(r);
    at = r->at;
    name = slice_first(slice_from(r->text, at), name_length(slice_from(r->text, at)));
    r->at += name.n;
    if (name.n == 0 || !slice_has(SLICE(" \t\n;"), reader_peek(r, 0)))
        return reader_fault(r, at, "a loop's name that is not plain");
    if (!skip_lines(r))
        return false;
    if (keyword_take(r, SLICE("in")) ? !read_words(r, &are_numbers) : !skip_semicolon(r))
        return false;
    if (are_numbers ? !name_set_to_number(r, name, at) : !name_set(r, name, NULL, false, at))
        return false;
    return read_for_body(r);
}

/* `a|b)`, perhaps with a parenthesis before. */
static bool read_patterns(struct reader *r) {
    struct word word;

    if (reader_peek(r, 0) == '(')
        r->at++;
    for (;;) {
        if (!skip_blanks(r) || !word_read(r, WORD_ARGUMENT, &word) || !skip_blanks(r))
            return false;
        if (reader_peek(r, 0) == ')')
            break;
        if (reader_peek(r, 0) != '|')
            return reader_fault(r, r->at, "a pattern of `case` without its `)`");
        r->at++;
    }
    r->at++;
    return true;
}

static void skip_clause_end(struct reader *r) {
    static const struct slice ends[] = {SLICE(";;&"), SLICE(";;"), SLICE(";&")};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (reader_sees(r, ends[i])) {
            r->at += ends[i].n;
            return;
        }
    }
}

bool case_read(struct reader *r) {
    struct word word;
    bool is_closed = true;

    if (!skip_blanks(r) || !word_read(r, WORD_ARGUMENT, &word) || !skip_lines(r) || !keyword_expect(r, SLICE("in")))
        return false;
    for (;;) {
        size_t from;

        if (!skip_lines(r))
            return false;
        if (keyword_take(r, SLICE("esac")))
            return true;
        if (!is_closed || reader_is_at_end(r))
            return keyword_expect(r, SLICE("esac"));
        if (!read_patterns(r) || !list_read(r))
            return false;
        from = r->at;
        skip_clause_end(r);
        is_closed = r->at > from;
    }
}
