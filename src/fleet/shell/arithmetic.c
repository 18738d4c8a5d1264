#include "fleet/shell/arithmetic.h"

#include <stdint.h>

#include "fleet/shell/expansion.h"
#include "fleet/shell/grammar.h"

/* What an expression is made of, beside names, numbers and expansions. There are no quotes in it, ever. */
#define OPERATORS SLICE(" \t\n+-*/%<>=!&|^~?:,()[]")

static bool uncertain(const struct reader *r, size_t at) {
    return reader_fault(r, at, "bash would calculate with what is no number for certain, and could run what it holds");
}

/* `10`, `0x1F`, `2#101`. */
static void skip_number(struct reader *r) {
    while (is_name_byte(reader_peek(r, 0)) || reader_peek(r, 0) == '#' || reader_peek(r, 0) == '@')
        r->at++;
}

static bool read_expansion(struct reader *r) {
    size_t from = r->at;
    _cleanup_builder_ struct builder b;

    builder_init(&b, r);
    if (!expansion_read(&b, QUOTED_NUMBER))
        return false;
    if (b.variable.n > 0)
        return name_note(r, b.variable, NAME_IS_COUNTED, from);
    return b.is_number ? true : uncertain(r, from);
}

static bool read_operand(struct reader *r) {
    char c = reader_peek(r, 0);
    size_t n = name_length(slice_from(r->text, r->at)), from = r->at;

    if (n > 0) {
        r->at += n;
        return name_note(r, slice_of(r->text.p + from, n), NAME_IS_COUNTED, from);
    }
    if (c >= '0' && c <= '9') {
        skip_number(r);
        return true;
    }
    if (c == '$')
        return read_expansion(r);
    if (!slice_has(OPERATORS, c))
        return reader_fault(r, from, "an expression that is not plain");
    r->at++;
    return true;
}

/* Brackets that are open: a bit for each, set for `[`. */
struct brackets {
    uint64_t kinds;
    unsigned n;
};

static bool track(struct reader *r, struct brackets *open, char c) {
    if (c == '(' || c == '[') {
        if (open->n == 64)
            return reader_fault(r, r->at, "an expression that is too deep");
        open->kinds = open->kinds << 1 | (c == '[');
        open->n++;
    } else if (c == ')' || c == ']') {
        if (open->n == 0 || (open->kinds & 1) != (c == ']'))
            return reader_fault(r, r->at, "an expression with a bracket too many");
        open->kinds >>= 1;
        open->n--;
    }
    return true;
}

bool arithmetic_read(struct reader *r, struct slice ends) {
    struct brackets open = {0};
    size_t from = r->at;

    while (!reader_is_at_end(r)) {
        char c = reader_peek(r, 0);

        if (open.n == 0 && slice_has(ends, c))
            return true;
        if (!track(r, &open, c) || !read_operand(r))
            return false;
    }
    return ends.n == 0 && open.n == 0 ? true : reader_fault(r, from, "an unclosed expression");
}

bool arithmetic_command_read(struct reader *r) {
    size_t from = r->at;

    if (!reader_descend(r, from))
        return false;
    r->at += 2;
    if (!arithmetic_read(r, SLICE(")")))
        return false;
    if (!reader_sees(r, SLICE("))")))
        return reader_fault(r, from, "`((` that does not end in `))`: put a blank between two parentheses");
    r->at += 2;
    r->depth--;
    return true;
}

bool arithmetic_word(struct reader *r, const struct word *word) {
    struct reader inner = reader_within(r, word->seen, word->at, "arithmetic");

    if (word->variable.n > 0)
        return name_note(r, word->variable, NAME_IS_COUNTED, word->at);
    if (word->is_number)
        return true;
    if (!word->is_known)
        return uncertain(r, word->at);
    return arithmetic_read(&inner, SLICE_EMPTY);
}
