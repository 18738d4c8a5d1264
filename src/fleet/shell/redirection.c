#include "fleet/shell/document.h"
#include "fleet/shell/grammar.h"

/* The longest that fits comes first. */
static const struct operation {
    struct slice text;
    enum redirection_kind kind;
    bool is_of_bash;
    bool copies; /* a descriptor, where its word is one */
} operations[] = {
    {SLICE("<<<"), REDIRECTION_TEXT, true, false},     {SLICE("<<-"), REDIRECTION_DOCUMENT, false, false},
    {SLICE("<<"), REDIRECTION_DOCUMENT, false, false}, {SLICE("<&"), REDIRECTION_NEITHER, false, true},
    {SLICE("<>"), REDIRECTION_TO, false, false},       {SLICE("<"), REDIRECTION_FROM, false, false},
    {SLICE("&>>"), REDIRECTION_TO, true, false},       {SLICE("&>"), REDIRECTION_TO, true, false},
    {SLICE(">>"), REDIRECTION_TO, false, false},       {SLICE(">&"), REDIRECTION_TO, false, true},
    {SLICE(">|"), REDIRECTION_TO, false, false},       {SLICE(">"), REDIRECTION_TO, false, false},
};

static const struct operation *operation_at(const struct reader *r, size_t ahead) {
    struct slice rest = slice_from(r->text, r->at + ahead);

    if (slice_starts_with(rest, SLICE("<(")) || slice_starts_with(rest, SLICE(">(")))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (slice_starts_with(rest, operations[i].text))
            return &operations[i];
    }
    return NULL;
}

/* How long a descriptor's number is here, or a `{name}` for one. */
static size_t descriptor_length(const struct reader *r) {
    size_t n = 0;

    while (reader_peek(r, n) >= '0' && reader_peek(r, n) <= '9')
        n++;
    if (n == 0 && reader_peek(r, 0) == '{') {
        n = 1 + name_length(slice_from(r->text, r->at + 1));
        n = n > 1 && reader_peek(r, n) == '}' ? n + 1 : 0;
    }
    return n;
}

bool redirection_is_here(const struct reader *r) {
    size_t n = descriptor_length(r);
    const struct operation *operation = operation_at(r, n);

    return operation && (n == 0 || operation->text.p[0] != '&');
}

static bool read_descriptor(struct reader *r) {
    size_t n = descriptor_length(r), at = r->at;
    struct slice text = slice_of(r->text.p + at, n);

    r->at += n;
    if (n == 0)
        return true;
    if (text.p[0] != '{')
        return n <= 4 ? true : reader_fault(r, at, "a descriptor's number that is too long");
    if (r->is_posix)
        return reader_fault(r, at, "{ } before a redirection is not known to every sh");
    return name_set_to_number(r, slice_of(text.p + 1, n - 2), at);
}

/* `2>&1`, `>&-`, `<&3-`: nothing but a descriptor. */
static bool is_descriptor(const struct word *word) {
    struct slice text = word->seen;

    if (text.n > 0 && text.p[text.n - 1] == '-')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    }
    return word->is_known && word->seen.n > 0;
}

/* Files that are no files. */
static bool is_harmless(const struct word *word) {
    static const struct slice files[] = {SLICE("/dev/null"), SLICE("/dev/stdout"), SLICE("/dev/stderr")};
    struct slice number;

    if (!word->is_known)
        return word->is_pipe;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (slice_equals(word->seen, files[i]))
            return true;
    }
    if (!slice_starts_with(word->seen, SLICE("/dev/fd/")))
        return false;
    number = slice_from(word->seen, 8);
    for (size_t i = 0; i < number.n; i++) {
        if (number.p[i] < '0' || number.p[i] > '9')
            return false;
    }
    return number.n > 0;
}

/* A home is none: who says what `~` is, needs a rule for that. */
static bool may_be_network(const struct word *word) {
    if (word->written.p[0] == '~')
        return false;
    return word_may_begin(word, SLICE("/dev/tcp/")) || word_may_begin(word, SLICE("/dev/udp/"));
}

static enum redirection_kind kind_of(const struct operation *operation, const struct word *target) {
    if (operation->copies && is_descriptor(target))
        return REDIRECTION_NEITHER;
    if (operation->kind == REDIRECTION_TO && is_harmless(target))
        return REDIRECTION_NEITHER;
    if (operation->kind == REDIRECTION_FROM && !may_be_network(target))
        return REDIRECTION_NEITHER;
    return operation->kind;
}

bool redirection_read(struct reader *r, struct redirection *ret) {
    size_t at = r->at;
    const struct operation *operation;

    if (!read_descriptor(r))
        return false;
    operation = operation_at(r, 0);
    if (!operation || (operation->is_of_bash && r->is_posix))
        return reader_fault(r, at, "a redirection that not every sh knows");
    *ret = (struct redirection){.kind = operation->kind};
    r->at += operation->text.n;
    if (operation->kind == REDIRECTION_DOCUMENT)
        return document_open(r, operation->text.n == 3, &ret->document);
    if (!skip_blanks(r))
        return false;
    if (operation->copies && reader_peek(r, 0) == '-') {
        r->at++; /* that is all of it, whatever follows */
        ret->kind = REDIRECTION_NEITHER;
        return true;
    }
    if (!word_read(r, WORD_ARGUMENT, &ret->target))
        return false;
    if (operation->copies && operation->kind == REDIRECTION_TO && !is_descriptor(&ret->target) &&
        (r->is_posix || !ret->target.is_plain))
        return reader_fault(r, at, "bash expands what stands behind >& twice: use &>");
    ret->kind = kind_of(operation, &ret->target);
    return true;
}

bool redirections_read(struct reader *r) {
    struct redirection *all = NULL;
    size_t n = 0;

    for (;; n++) {
        if (!skip_blanks(r))
            return false;
        if (!redirection_is_here(r))
            return command_add_redirections(r, all, n);
        all = arena_grow(&r->shell->findings->memory, all, n, sizeof(*all));
        if (!all)
            return reader_short(r);
        if (!redirection_read(r, &all[n]))
            return false;
    }
}
