#include "fleet/shell/word.h"

#include "fleet/shell/arithmetic.h"
#include "fleet/shell/expansion.h"

/* $"...": quoted, and what stands in it may be translated. */
static bool read_translated(struct builder *b) {
    struct reader *r = b->r;
    struct mark start = {0};

    if (r->is_posix)
        return reader_fault(r, r->at, "$\" is not known to every sh");
    builder_mark(b, &start);
    r->at++;
    return read_double_quoted(b) && builder_forget(b, &start);
}

static bool read_backslash(struct builder *b) {
    struct reader *r = b->r;
    char next = reader_peek(r, 1);

    if (next == '\0')
        return reader_fault(r, r->at, "a backslash with nothing behind it");
    b->is_plain = false;
    if (!builder_put(b, slice_of(r->text.p + r->at + 1, 1)))
        return false;
    r->at += 2;
    return true;
}

/* A line that goes on behind a word: the word must have ended there anyway. */
static bool ends_with_line(struct reader *r) {
    char after = reader_peek(r, 2);

    return after == ' ' || after == '\t' || after == '\n' || after == '\0';
}

static bool read_glob(struct builder *b) {
    size_t from = b->r->at++;

    b->has_glob = true;
    return builder_put_unknown(b, from, PIECE_SINGLE | PIECE_SOLID, SLICE_EMPTY);
}

/* `~` becomes somebody's home, up to the next slash. Its place is where a word or a value begins, or a part of one. */
static bool read_tilde(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at++;
    char before = from > b->from ? r->text.p[from - 1] : '=';

    if (before != '=' && before != ':')
        return builder_put(b, SLICE("~"));
    while (is_name_byte(reader_peek(r, 0)) || slice_has(SLICE("+-."), reader_peek(r, 0)))
        r->at++;
    return builder_put_unknown(b, from, PIECE_SINGLE | PIECE_SOLID, SLICE_EMPTY);
}

/* `{` or `[`: what it makes of the word shows at the word's end. */
static bool read_marked(struct builder *b, struct mark *start) {
    builder_mark(b, start);
    b->r->at++;
    return builder_put(b, slice_of(b->r->text.p + b->r->at - 1, 1));
}

/* `NAME`, `NAME[...]`, perhaps a `+`, and an `=` here: what stands before is an assignment's left side. */
static bool begins_value(const struct builder *b) {
    struct slice left = reader_since(b->r, b->from);

    if (b->kind == WORD_REGEX || b->kind == WORD_ELEMENT || b->name_n > 0)
        return false;
    if (slice_ends_with(left, SLICE("+")))
        left.n--;
    return b->is_element || is_name(left);
}

static bool read_equals(struct builder *b) {
    struct reader *r = b->r;
    bool begins = begins_value(b);

    r->at++;
    if (!builder_put(b, SLICE("=")))
        return false;
    if (begins) {
        b->name_n = name_length(slice_of(r->text.p + b->from, r->at - b->from));
        b->value_at = buf_length(&b->seen);
        b->is_appended = r->text.p[r->at - 2] == '+';
        b->is_number = true;
        b->n_pieces = 0;
        b->variable = SLICE_EMPTY;
    }
    return true;
}

/*
 * `[` behind a name, where an assignment may begin: bash reads on to the `]` whatever stands between. That is an
 * expression. Elsewhere it is a glob, but for the command of that name.
 */
static bool read_bracket(struct builder *b) {
    struct reader *r = b->r;
    struct slice left = reader_since(r, b->from);
    size_t from = r->at;

    if (left.n == 0 && slice_equals(peek_keyword(r), SLICE("["))) {
        r->at++;
        return builder_put(b, SLICE("["));
    }
    if (b->kind != WORD_FIRST || !is_name(left))
        return read_marked(b, &b->bracket);
    r->at++;
    if (!arithmetic_read(r, SLICE("]")))
        return false;
    if (!builder_put(b, SLICE("[")) || !builder_put_unknown(b, from + 1, PIECE_SINGLE, SLICE_EMPTY) ||
        !builder_put(b, SLICE("]")))
        return false;
    r->at++;
    b->is_element = true;
    if (!reader_sees(r, SLICE("=")) && !reader_sees(r, SLICE("+=")))
        return reader_fault(r, from, "a command's name with brackets in it");
    return r->is_posix ? reader_fault(r, from, "a list is not known to every sh") : true;
}

/* Whether a byte may mean more than itself, somewhere in a word. */
static bool is_special(char c) {
    static const bool special[256] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, [';'] = true,  ['&'] = true,  ['|'] = true, ['('] = true,
        [')'] = true, ['<'] = true,  ['>'] = true,  ['\\'] = true, ['\''] = true, ['"'] = true, ['`'] = true,
        ['$'] = true, ['*'] = true,  ['?'] = true,  ['['] = true,  ['{'] = true,  ['~'] = true, ['='] = true,
    };

    return special[(unsigned char)c];
}

/* Bytes that mean nothing by themselves. */
static bool read_run(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at++;

    while (!reader_is_at_end(r) && !is_special(r->text.p[r->at]))
        r->at++;
    return builder_put(b, reader_since(r, from));
}

/* The parentheses and bars of a regular expression. bash wants them closed, so they are counted. */
static bool read_regex_group(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at, depth = 0;

    do {
        char c = reader_peek(r, 0), next = reader_peek(r, 1);
        bool is_escape = c == '\\' && next != '\n' && next != '\0',
             is_anchor = c == '$' && slice_has(SLICE("|)"), next);

        if (reader_is_at_end(r) || (slice_has(SLICE(" \t\n'\"`$\\<>;&"), c) && !is_escape && !is_anchor))
            return reader_fault(r, from, "a regular expression that is not plain: put it into a variable");
        depth += c == '(';
        depth -= c == ')';
        r->at += is_escape ? 2 : 1;
    } while (depth > 0);
    return builder_put(b, reader_since(r, from));
}

enum step {
    STEP_ON,
    STEP_END,
    STEP_FAULT,
};

static enum step on(bool is_good) {
    return is_good ? STEP_ON : STEP_FAULT;
}

static enum step read_metacharacter(struct builder *b, char c) {
    struct reader *r = b->r;

    if ((c == '<' || c == '>') && reader_peek(r, 1) == '(')
        return on(process_substitution_read(b));
    if (b->kind == WORD_REGEX && (c == '(' || c == '|'))
        return on(c == '(' ? read_regex_group(b) : read_run(b));
    if (c == '(' && r->at > b->from && slice_has(SLICE("?*+@!"), r->text.p[r->at - 1])) {
        (void)reader_fault(r, r->at, "an extended glob: bash has them off");
        return STEP_FAULT;
    }
    return STEP_END;
}

static enum step read_piece(struct builder *b) {
    struct reader *r = b->r;
    char c = reader_peek(r, 0);

    switch (c) {
    case ' ':
    case '\t':
    case '\n':
        return STEP_END;
    case ';':
    case '&':
    case '|':
    case '(':
    case ')':
    case '<':
    case '>':
        return read_metacharacter(b, c);
    case '\\':
        if (reader_peek(r, 1) != '\n')
            return on(read_backslash(b));
        return ends_with_line(r) ? STEP_END : on(reader_fault(r, r->at, "a line that goes on in the middle of a word"));
    case '\'':
        return on(read_single_quoted(b));
    case '"':
        return on(read_double_quoted(b));
    case '`':
        return on(backquoted_read(b, QUOTED_NOT));
    case '$':
        return on(reader_peek(r, 1) == '"' ? read_translated(b) : expansion_read(b, QUOTED_NOT));
    case '*':
    case '?':
        return on(read_glob(b));
    case '[':
        return on(read_bracket(b));
    case '{':
        return on(read_marked(b, &b->brace));
    case '~':
        return on(read_tilde(b));
    case '=':
        return on(read_equals(b));
    default:
        return on(read_run(b));
    }
}

/* `{1..9}` and nothing else. */
static bool is_sequence_of_numbers(struct slice text) {
    if (text.n < 6 || text.p[0] != '{' || text.p[text.n - 1] != '}')
        return false;
    for (size_t i = 1; i < text.n - 1; i++) {
        if (!slice_has(SLICE("0123456789.-"), text.p[i]))
            return false;
    }
    return true;
}

/* A brace with a comma or two dots behind it makes several words of one. */
static bool expands_brace(const struct builder *b) {
    struct slice behind = reader_since(b->r, b->brace.at);
    bool expands = slice_has(behind, ',');

    for (size_t i = 0; i + 1 < behind.n && !expands; i++)
        expands = behind.p[i] == '.' && behind.p[i + 1] == '.';
    return expands;
}

/* A bracket that is closed is a glob. */
static bool expands_bracket(const struct builder *b) {
    return slice_has(reader_since(b->r, b->bracket.at), ']');
}

static bool check_brace(const struct builder *b) {
    const struct reader *r = b->r;

    if (r->text.p[b->from] == '{' && r->text.p[r->at - 1] == '}' && slice_has(SLICE("<>"), reader_peek(r, 0)))
        return reader_fault(r, b->from, "{ } before a redirection, with more than a name in it");
    if (b->has_bare_dollar && expands_brace(b))
        return reader_fault(r, b->from, "a dollar sign beside braces: together they may become an expansion");
    return true;
}

/* What braces and brackets make of a word, and of all that stands behind them in it, is not looked into. */
static bool settle(struct builder *b) {
    bool is_braced = b->brace.is_set && expands_brace(b), is_glob = b->bracket.is_set && expands_bracket(b);
    const struct mark *first = is_glob && !(is_braced && b->brace.at < b->bracket.at) ? &b->bracket : &b->brace;

    if (b->brace.is_set && !check_brace(b))
        return false;
    if (!is_braced && !is_glob)
        return true;
    if (!builder_forget(b, first))
        return false;
    b->has_glob = b->has_glob || is_glob;
    b->is_solid = b->is_solid || is_glob;
    if (is_braced) {
        b->is_solid = first->was_solid;
        b->is_many = true;
        b->is_number = is_sequence_of_numbers(reader_since(b->r, b->from));
    }
    return true;
}

static bool finish(struct builder *b, struct word *ret) {
    struct reader *r = b->r;
    struct arena *memory = &r->shell->findings->memory;
    struct word word = {
        .at = b->from,
        .written = reader_since(r, b->from),
        .is_known = b->is_known,
        .is_plain = b->is_plain,
        .is_single = !b->is_many && !b->has_glob,
        /* "" is a word; "$@" may be none */
        .may_vanish = (!b->is_solid && (b->is_many || !b->is_quoted)) || (b->has_glob && r->shell->globs_may_vanish),
        .is_pipe = b->is_pipe && b->n_pieces == 1,
        .is_number = b->is_number,
        .variable = b->variable,
        .name_n = b->name_n,
        .value_at = b->value_at,
        .is_element = b->is_element,
        .is_appended = b->is_appended,
    };

    word.seen = arena_copy(memory, buf_slice(&b->seen));
    word.shown = word.is_known ? word.seen : arena_copy(memory, buf_slice(&b->shown));
    if (!word.seen.p || !word.shown.p)
        return reader_short(r);
    *ret = word;
    return true;
}

bool word_read(struct reader *r, enum word_kind kind, struct word *ret) {
    _cleanup_builder_ struct builder b;
    enum step step = STEP_ON;

    builder_init(&b, r);
    b.kind = kind;
    while (step == STEP_ON && !reader_is_at_end(r))
        step = read_piece(&b);
    if (step == STEP_FAULT)
        return false;
    if (r->at == b.from)
        return reader_fault(r, r->at, "a word is missing");
    if (r->waiting && slice_has(reader_since(r, b.from), '\n'))
        return reader_fault(r, b.from, "a newline within a word, while a here-document waits for one");
    return (kind == WORD_REGEX || settle(&b)) && finish(&b, ret);
}

struct word word_of(struct slice bytes, size_t at) {
    return (struct word){
        .at = at,
        .written = bytes,
        .seen = bytes,
        .shown = bytes,
        .is_known = true,
        .is_single = true,
    };
}

bool word_may_begin(const struct word *word, struct slice with) {
    for (size_t i = 0; i < with.n; i++) {
        if (i == word->seen.n)
            return false;
        if (word->seen.p[i] == SEEN_ANY)
            return true;
        if (word->seen.p[i] != with.p[i])
            return false;
    }
    return true;
}

struct slice word_value(const struct word *word) {
    return slice_from(word->seen, word->value_at);
}
