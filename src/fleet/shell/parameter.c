#include "fleet/shell/arithmetic.h"
#include "fleet/shell/expansion.h"

/* A `${...}` as far as it was read. */
struct parameter {
    size_t from;
    struct slice name; /* empty for `$1`, `$@` and their kin */
    char special;      /* of those: which */
    bool is_list;      /* `@` in it somewhere: no word or many, even in quotes */
    bool is_element;   /* with a subscript */
    bool is_whole;     /* nothing but the value */
    bool is_length;
    enum quoting quoting;
};

static bool odd(const struct reader *r, const struct parameter *p) {
    return reader_fault(r, p->from, "a ${ } that is not understood");
}

/* Double quotes in a parameter in double quotes: bash nests them, and not every sh does. */
static bool may_quote(const struct reader *r, const struct parameter *p) {
    return p->quoting == QUOTED_NOT || (p->quoting == QUOTED_STRING && !r->is_posix);
}

/*
 * The word behind `:-` and its kin, or a pattern: to the `}`. In quotes its own single quotes would mean one thing to
 * bash and another to POSIX, and braces look balanced where they are not: both are faults.
 */
static bool read_operand(struct reader *r, struct parameter *p) {
    _cleanup_builder_ struct builder b;

    builder_init(&b, r);
    while (!reader_is_at_end(r) && reader_peek(r, 0) != '}') {
        char c = reader_peek(r, 0), next = reader_peek(r, 1);
        bool is_good = true;

        if (c == '\\' && next != '\n' && next != '\0')
            r->at += 2;
        else if (c == '\\' || c == '{' || ((c == '<' || c == '>') && next == '('))
            return odd(r, p);
        else if (c == '\'')
            is_good = p->quoting == QUOTED_NOT ? read_single_quoted(&b) : odd(r, p);
        else if (c == '"')
            is_good = may_quote(r, p) ? read_double_quoted(&b) : odd(r, p);
        else if (c == '`')
            is_good = backquoted_read(&b, p->quoting);
        else if (c == '$')
            is_good = expansion_read(&b, p->quoting);
        else
            r->at++;
        if (!is_good)
            return false;
    }
    p->is_list = p->is_list || b.is_many;
    return true;
}

/* `:5`, `:5:2`, `: -3`. */
static bool read_offsets(struct reader *r) {
    for (int i = 0; i < 2 && reader_peek(r, 0) == ':'; i++) {
        r->at++;
        if (!arithmetic_read(r, i == 0 ? SLICE(":}") : SLICE("}")))
            return false;
    }
    return true;
}

/* `${x:=word}` sets x. */
static bool note_default(struct reader *r, const struct parameter *p, char operator) {
    if (operator!= '=')
        return true;
    if (p->name.n == 0)
        return odd(r, p);
    if (p->is_element && !name_note(r, p->name, NAME_IS_ARRAY, p->from))
        return false;
    return name_set(r, p->name, NULL, false, p->from);
}

static bool read_operator(struct reader *r, struct parameter *p) {
    char c = reader_peek(r, 0), next = reader_peek(r, 1);

    p->is_whole = false;
    if (r->is_posix && !slice_has(SLICE("-=?+#%"), c == ':' ? next : c))
        return reader_fault(r, p->from, "a ${ } that not every sh knows");
    if (c == ':' && !slice_has(SLICE("-=?+"), next))
        return read_offsets(r);
    if (c == '@') {
        r->at += 2;
        return slice_has(SLICE("QULuE"), next) ? true : odd(r, p);
    }
    if (!slice_has(SLICE(":-=?+#%/^,"), c))
        return odd(r, p);
    if (!note_default(r, p, c == ':' ? next : c))
        return false;
    r->at += c == ':' || (next == c && slice_has(SLICE("#%/^,"), c)) ? 2 : 1;
    return read_operand(r, p);
}

/* Behind a name: `[@]`, `[*]` or an expression. */
static bool read_subscript(struct reader *r, struct parameter *p) {
    char c = reader_peek(r, 1);

    if (reader_peek(r, 0) != '[')
        return true;
    if (r->is_posix)
        return reader_fault(r, p->from, "a list is not known to every sh");
    p->is_list = p->is_list || c == '@';
    p->is_element = true;
    r->at++;
    if ((c == '@' || c == '*') && reader_peek(r, 1) == ']') {
        r->at += 2;
        return true;
    }
    if (!arithmetic_read(r, SLICE("]")))
        return false;
    r->at++;
    return true;
}

static bool read_name(struct reader *r, struct parameter *p) {
    size_t n = name_length(slice_from(r->text, r->at));
    char c = reader_peek(r, 0);

    p->name = slice_of(r->text.p + r->at, n);
    if (n > 0) {
        r->at += n;
        return read_subscript(r, p);
    }
    if (c == '\0' || !slice_has(SLICE("0123456789@*?$!-#"), c))
        return odd(r, p);
    p->special = c;
    p->is_list = p->is_list || c == '@';
    r->at++;
    while (c >= '0' && c <= '9' && reader_peek(r, 0) >= '0' && reader_peek(r, 0) <= '9')
        r->at++;
    return true;
}

/*
 * `${!x}` would take a name from what x holds, and run a subscript in it. Only `${!x[@]}`, `${!x@}` and `${!x*}` are
 * something else: lists of subscripts and of names.
 */
static bool read_indirect(struct reader *r, struct parameter *p) {
    size_t n = name_length(slice_from(r->text, r->at + 1));

    r->at += 1 + n;
    p->is_list = true;
    p->is_whole = false;
    if (n > 0 && (reader_sees(r, SLICE("[@]}")) || reader_sees(r, SLICE("[*]}")))) {
        r->at += 3;
        return true;
    }
    if (n > 0 && (reader_sees(r, SLICE("@}")) || reader_sees(r, SLICE("*}")))) {
        r->at += 1;
        return true;
    }
    return reader_fault(r, p->from, "${! }: a name that only the run knows");
}

/* `${#x}`, but not `${#}` and `${#-x}`, which are about `$#`. */
static bool is_length(const struct reader *r) {
    return reader_peek(r, 0) == '#' &&
           (is_name_start(reader_peek(r, 1)) || slice_has(SLICE("0123456789@*"), reader_peek(r, 1)));
}

static bool read_body(struct reader *r, struct parameter *p) {
    if (reader_peek(r, 0) == '!' && reader_peek(r, 1) != '}')
        return read_indirect(r, p);
    p->is_length = is_length(r);
    if (p->is_length)
        r->at++;
    if (!read_name(r, p))
        return false;
    if (reader_peek(r, 0) == '}')
        return true;
    return p->is_length ? odd(r, p) : read_operator(r, p);
}

static enum piece piece_of(const struct parameter *p) {
    enum piece number =
        p->is_length || (p->is_whole && p->special != '\0' && slice_has(SLICE("#?$!"), p->special)) ? PIECE_NUMBER : 0;
    bool is_certain = number && p->special != '!';

    if (is_certain)
        return PIECE_SINGLE | PIECE_NUMBER | PIECE_SOLID;
    return number | (p->quoting != QUOTED_NOT && !p->is_list ? PIECE_SINGLE : 0);
}

bool parameter_read(struct builder *b, enum quoting quoting) {
    struct reader *r = b->r;
    struct parameter p = {.from = r->at, .name = SLICE_EMPTY, .is_whole = true, .quoting = quoting};

    if (!reader_descend(r, r->at))
        return false;
    r->at += 2;
    if (!read_body(r, &p))
        return false;
    if (reader_peek(r, 0) != '}')
        return reader_fault(r, p.from, "an unclosed ${");
    r->at++;
    r->depth--;
    return builder_put_unknown(b, p.from, piece_of(&p), p.is_whole && !p.is_length ? p.name : SLICE_EMPTY);
}
