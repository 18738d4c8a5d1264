#include "fleet/shell/arithmetic.h"
#include "fleet/shell/grammar.h"

/* What was read of `[[ ]]` that still counts: the word before, and what stood between it and the next. */
struct condition {
    size_t from;
    size_t depth; /* parentheses */
    struct word before;
    bool has_before;
    bool is_regex;    /* `=~` stood here */
    bool is_counted;  /* an operator of arithmetic did */
    bool is_variable; /* `-v` did: a name, never a subscript */
};

static bool is_one_of(const struct word *word, const struct slice *operators, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (word->is_plain && word_is(word, operators[i]))
            return true;
    }
    return false;
}

static bool is_counting(const struct word *word) {
    static const struct slice operators[] = {SLICE("-eq"), SLICE("-ne"), SLICE("-lt"),
                                             SLICE("-le"), SLICE("-gt"), SLICE("-ge")};

    return is_one_of(word, operators, ARRAY_LEN(operators));
}

static bool takes_variable(const struct word *word) {
    static const struct slice operators[] = {SLICE("-v"), SLICE("-R")};

    return is_one_of(word, operators, ARRAY_LEN(operators));
}

/* A word of it, judged by what stood before. */
static bool take_word(struct reader *r, struct condition *c) {
    struct word word;

    if (!word_read(r, c->is_regex ? WORD_REGEX : WORD_ARGUMENT, &word))
        return false;
    if (c->is_counted && !arithmetic_word(r, &word))
        return false;
    if (c->is_variable && !(word.is_known && is_name(word.seen)))
        return reader_fault(r, word.at, "-v with what is no plain name: bash would run a subscript in it");
    if (is_counting(&word) && c->has_before && !arithmetic_word(r, &c->before))
        return false;
    c->is_counted = is_counting(&word);
    c->is_variable = takes_variable(&word);
    c->is_regex = false;
    c->before = word;
    c->has_before = true;
    return true;
}

static bool take_operator(struct reader *r, struct condition *c) {
    char byte = reader_peek(r, 0);

    c->has_before = false;
    if (reader_sees(r, SLICE("&&")) || reader_sees(r, SLICE("||")))
        r->at++;
    else if (byte == '&' || byte == '|' || byte == ';')
        return reader_fault(r, r->at, "a separator within [[ ]]");
    else if (byte == ')' && c->depth == 0)
        return reader_fault(r, r->at, "a parenthesis within [[ ]] that nothing opens");
    r->at++;
    c->depth += byte == '(';
    c->depth -= byte == ')';
    return true;
}

static bool is_operator(const struct reader *r) {
    if (reader_sees(r, SLICE("<(")) || reader_sees(r, SLICE(">(")))
        return false;
    return slice_has(SLICE("()<>&|;"), reader_peek(r, 0));
}

bool condition_read(struct reader *r) {
    struct condition c = {.from = r->at};

    for (;;) {
        if (!skip_lines(r))
            return false;
        if (reader_is_at_end(r))
            return reader_fault(r, c.from, "an unclosed [[");
        if (slice_equals(peek_keyword(r), SLICE("]]")))
            break;
        if (reader_sees(r, SLICE("=~")) && slice_has(SLICE(" \t"), reader_peek(r, 2))) {
            c.is_regex = true;
            r->at += 2;
        } else if (is_operator(r) && !c.is_regex ? !take_operator(r, &c) : !take_word(r, &c)) {
            return false;
        }
    }
    if (c.depth > 0)
        return reader_fault(r, c.from, "an unclosed parenthesis within [[ ]]");
    r->at += 2;
    return true;
}
