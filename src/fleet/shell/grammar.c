#include "fleet/shell/grammar.h"

#include "base/utf8.h"
#include "fleet/shell/arithmetic.h"
#include "fleet/shell/document.h"
#include "fleet/shell/loops.h"

static bool read_group(struct reader *r);
static bool read_function(struct reader *r);
static bool read_coprocess(struct reader *r);

/* Compound commands, and what is read behind the word that begins each. */
static const struct compound {
    struct slice keyword;
    bool (*read)(struct reader *r);
    bool is_of_bash;
} compounds[] = {
    {SLICE("if"), if_read, false},
    {SLICE("while"), while_read, false},
    {SLICE("until"), while_read, false},
    {SLICE("for"), for_read, false},
    {SLICE("select"), for_read, true},
    {SLICE("case"), case_read, false},
    {SLICE("{"), read_group, false},
    {SLICE("[["), condition_read, true},
    {SLICE("function"), read_function, true},
    {SLICE("coproc"), read_coprocess, true},
};

static const struct compound *compound_of(struct slice keyword) {
    for (size_t i = 0; i < ARRAY_LEN(compounds); i++) {
        if (slice_equals(keyword, compounds[i].keyword))
            return &compounds[i];
    }
    return NULL;
}

/* UTF-8, and no byte that bash uses for itself or drops. */
static bool check_bytes(const struct reader *r) {
    size_t n;
    uint32_t c;

    for (size_t i = 0; i < r->text.n; i += n) {
        n = utf8_next(slice_from(r->text, i), &c);
        if (n == 0)
            return reader_fault(r, i, "bytes that are not UTF-8");
        if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
            return reader_fault(r, i, "a control byte");
    }
    return true;
}

static bool is_closing(struct slice keyword) {
    static const struct slice closing[] = {SLICE("then"), SLICE("elif"), SLICE("else"), SLICE("fi"),
                                           SLICE("do"),   SLICE("done"), SLICE("esac"), SLICE("}")};

    for (size_t i = 0; i < ARRAY_LEN(closing); i++) {
        if (slice_equals(keyword, closing[i]))
            return true;
    }
    return false;
}

/* The end of a list, whoever it belongs to. */
static bool is_at_list_end(const struct reader *r) {
    return reader_is_at_end(r) || reader_peek(r, 0) == ')' || reader_sees(r, SLICE(";;")) ||
           reader_sees(r, SLICE(";&")) || is_closing(peek_keyword(r));
}

static bool keyword_is(const struct reader *r, struct slice keyword) {
    return slice_equals(peek_keyword(r), keyword);
}

bool keyword_take(struct reader *r, struct slice keyword) {
    if (!keyword_is(r, keyword))
        return false;
    r->at += keyword.n;
    return true;
}

bool keyword_expect(struct reader *r, struct slice keyword) {
    return keyword_take(r, keyword) ? true : reader_fault(r, r->at, "`%.*s` is missing", SLICE_ARG(keyword));
}

static bool byte_expect(struct reader *r, char byte, size_t from, const char *fault) {
    if (reader_peek(r, 0) != byte)
        return reader_fault(r, from, "%s", fault);
    r->at++;
    return true;
}

/* Behind `time`: its option, which is a word of the grammar. */
static bool skip_time_options(struct reader *r) {
    static const struct slice options[] = {SLICE("-p"), SLICE("--")};

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (!skip_blanks(r))
            return false;
        if (reader_sees(r, options[i]) && reader_is_at_word_end(r, 2))
            r->at += 2;
    }
    return skip_blanks(r);
}

/* Before a command that no pipe has come to: `!` and `time`, and perhaps nothing behind them. */
static bool read_pipeline_words(struct reader *r, bool *ret_is_empty) {
    bool is_first = true;

    for (;; is_first = false) {
        if (!skip_blanks(r))
            return false;
        if (reader_sees(r, SLICE("!(")))
            return reader_fault(r, r->at, "an extended glob: bash has them off");
        if (keyword_take(r, SLICE("!")))
            continue;
        if (r->is_posix || !keyword_take(r, SLICE("time")))
            break;
        if (!skip_time_options(r))
            return false;
    }
    *ret_is_empty = !is_first && (is_at_list_end(r) || slice_has(SLICE("\n;&|"), reader_peek(r, 0)));
    return true;
}

static bool read_command(struct reader *r) {
    struct slice keyword = peek_keyword(r);

    if (reader_peek(r, 0) == '(' || compound_of(keyword))
        return compound_read(r);
    if (is_closing(keyword))
        return reader_fault(r, r->at, "`%.*s` closes nothing", SLICE_ARG(keyword));
    if (slice_equals(keyword, SLICE("!")))
        return reader_fault(r, r->at, "`!` in the middle of a pipeline");
    return simple_read(r);
}

static bool read_pipeline(struct reader *r) {
    bool is_empty = false;

    r->n_pipelines++;
    if (!read_pipeline_words(r, &is_empty) || (!is_empty && !read_command(r)))
        return false;
    for (;;) {
        if (!skip_blanks(r))
            return false;
        if (reader_peek(r, 0) != '|' || reader_peek(r, 1) == '|')
            return true;
        r->at++;
        if (reader_peek(r, 0) == '&') {
            if (r->is_posix)
                return reader_fault(r, r->at, "|& is not known to every sh");
            r->at++;
        }
        if (!skip_lines(r) || !read_command(r))
            return false;
    }
}

static bool read_and_or(struct reader *r) {
    for (;;) {
        if (!read_pipeline(r))
            return false;
        if (!reader_sees(r, SLICE("&&")) && !reader_sees(r, SLICE("||")))
            return true;
        r->at += 2;
        if (!skip_lines(r))
            return false;
    }
}

bool list_read(struct reader *r) {
    if (!reader_descend(r, r->at))
        return false;
    for (;;) {
        if (!skip_lines(r))
            return false;
        if (is_at_list_end(r))
            break;
        if (!read_and_or(r))
            return false;
        if (is_at_list_end(r))
            break;
        if (!slice_has(SLICE(";&\n"), reader_peek(r, 0)))
            return reader_fault(r, r->at, "something stands behind a command without a separator");
        if (reader_peek(r, 0) != '\n')
            r->at++;
    }
    r->depth--;
    return true;
}

bool text_read(struct reader *r) {
    if (!check_bytes(r) || !list_read(r))
        return false;
    if (!reader_is_at_end(r))
        return reader_fault(r, r->at, "`%.*s` closes nothing",
                            SLICE_ARG(slice_first(slice_from(r->text, r->at), peek_keyword(r).n + !peek_keyword(r).n)));
    return documents_closed(r);
}

bool substitution_read(struct reader *r, const char *within, bool *ret_is_number) {
    struct reader outer = *r;

    r->within = within;
    r->waiting = NULL;
    r->n_pipelines = 0;
    r->last_is_number = false;
    if (!list_read(r))
        return false;
    if (!documents_closed(r) || !byte_expect(r, ')', outer.at - 2, "an unclosed parenthesis"))
        return false;
    if (ret_is_number)
        *ret_is_number = r->n_pipelines == 1 && r->last_is_number;
    r->within = outer.within;
    r->waiting = outer.waiting;
    r->n_pipelines = outer.n_pipelines;
    r->last_is_number = outer.last_is_number;
    return true;
}

static bool read_group(struct reader *r) {
    return list_read(r) && keyword_expect(r, SLICE("}"));
}

static bool read_subshell(struct reader *r) {
    size_t from = r->at;

    if (reader_peek(r, 1) == '(')
        return r->is_posix ? reader_fault(r, from, "(( )) is not known to every sh") : arithmetic_command_read(r);
    if (reader_sees(r, SLICE("(\\\n")))
        return reader_fault(r, from, "a line that goes on in the middle of an operator");
    r->at++;
    return list_read(r) && byte_expect(r, ')', from, "an unclosed parenthesis");
}

/* Behind a name: perhaps `()`, then a compound command. */
bool function_read(struct reader *r, struct slice name, size_t at) {
    const char *within = r->within;

    if (slice_equals(name, SLICE("command_not_found_handle")))
        return reader_fault(r, at, "a function that bash calls in the place of others");
    if (!skip_blanks(r))
        return false;
    if (reader_peek(r, 0) == '(') {
        r->at++;
        if (!skip_blanks(r) || !byte_expect(r, ')', at, "a parenthesis within a word"))
            return false;
    }
    r->within = "function";
    if (!skip_lines(r) || !name_note(r, name, NAME_IS_FUNCTION, at) || !compound_read(r))
        return false;
    r->within = within;
    return true;
}

static bool read_function(struct reader *r) {
    struct word name;

    if (!skip_blanks(r) || !word_read(r, WORD_ARGUMENT, &name))
        return false;
    if (!name.is_plain)
        return reader_fault(r, name.at, "a function's name that is not plain");
    return function_read(r, name.seen, name.at);
}

/* `coproc NAME COMPOUND`, or `coproc` and any command: a name is one only before a compound command. */
static bool read_coprocess(struct reader *r) {
    struct slice name;
    size_t from;

    if (!skip_blanks(r))
        return false;
    from = r->at;
    name = slice_first(slice_from(r->text, from), name_length(slice_from(r->text, from)));
    if (!compound_of(peek_keyword(r)) && name.n > 0) {
        r->at += name.n;
        if (!skip_blanks(r))
            return false;
        if (r->at > from + name.n && (reader_peek(r, 0) == '(' || compound_of(peek_keyword(r))))
            return name_set(r, name, NULL, false, from) && name_note(r, name, NAME_IS_ARRAY, from) && compound_read(r);
        r->at = from;
    }
    return read_command(r);
}

static bool read_by_keyword(struct reader *r) {
    const struct compound *compound = compound_of(peek_keyword(r));

    if (!compound)
        return reader_fault(r, r->at, "a command is missing");
    if (compound->is_of_bash && r->is_posix)
        return reader_fault(r, r->at, "`%.*s` is not known to every sh", SLICE_ARG(compound->keyword));
    r->at += compound->keyword.n;
    return compound->read(r);
}

bool compound_read(struct reader *r) {
    if (!reader_descend(r, r->at))
        return false;
    if (reader_peek(r, 0) == '(' ? !read_subshell(r) : !read_by_keyword(r))
        return false;
    r->depth--;
    r->last_is_number = false;
    return redirections_read(r);
}
