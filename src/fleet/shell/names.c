#include "fleet/shell/names.h"

#include <stdint.h>

#include "base/limits.h"
#include "fleet/shell/command.h"
#include "fleet/shell/variables.h"
#include "fleet/shell/word.h"

struct name {
    struct name *next;
    struct slice text;
    unsigned facts; /* of enum name_fact */
};

/* What must not come together, and why. */
static const struct {
    unsigned facts;
    const char *fault;
} conflicts[] = {
    {NAME_IS_COUNTED | NAME_IS_TEXT, "is calculated with, and what it holds may be no number: bash could run it"},
    {NAME_IS_ARRAY | NAME_IS_DECLARED, "is a list, and bash would read the declared value as shell text again"},
    {NAME_IS_FUNCTION | NAME_IS_COUNTER, "prints a number, but not where a function or a trap may print as well"},
};

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name_byte(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

size_t name_length(struct slice text) {
    size_t n = 0;

    if (text.n == 0 || !is_name_start(text.p[0]))
        return 0;
    while (n < text.n && is_name_byte(text.p[n]))
        n++;
    return n;
}

bool is_name(struct slice text) {
    return text.n > 0 && name_length(text) == text.n;
}

/* FNV-1a. Whoever makes names collide has LIMIT_SHELL_NAMES of them, and no more. */
static size_t bucket_of(struct slice text) {
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * 16777619U;
    return hash % NAME_BUCKETS;
}

static struct name *find_or_add(struct reader *r, struct slice text) {
    struct names *names = &r->shell->names;
    struct name **bucket = &names->buckets[bucket_of(text)], *name = *bucket;

    while (name && !slice_equals(name->text, text))
        name = name->next;
    if (name)
        return name;
    if (names->n == LIMIT_SHELL_NAMES) {
        (void)reader_fault(r, r->at, "more than %d names", LIMIT_SHELL_NAMES);
        return NULL;
    }
    name = arena_take(&r->shell->findings->memory, sizeof(*name));
    if (!name) {
        (void)reader_short(r);
        return NULL;
    }
    *name = (struct name){.next = *bucket, .text = text};
    *bucket = name;
    names->n++;
    return name;
}

/* What bash itself does with a name. */
static unsigned facts_of(struct slice name) {
    switch (variable_kind(name)) {
    case VARIABLE_INTEGER:
        return NAME_IS_COUNTED | NAME_IS_ARRAY;
    case VARIABLE_FILLED:
        return NAME_IS_TEXT | NAME_IS_ARRAY;
    case VARIABLE_STEERS:
    case VARIABLE_READS:
    case VARIABLE_LOCALE:
        return NAME_IS_TEXT;
    case VARIABLE_PLAIN:
        break;
    }
    return 0;
}

bool name_note(struct reader *r, struct slice text, enum name_fact fact, size_t at) {
    struct name *name = find_or_add(r, text);

    if (!name)
        return false;
    if (name->facts == 0)
        name->facts = facts_of(text);
    name->facts |= fact;
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
        if ((name->facts & conflicts[i].facts) == conflicts[i].facts)
            return reader_fault(r, at, "%.*s %s", SLICE_ARG(slice_first(text, 40)), conflicts[i].fault);
    }
    return true;
}

static bool find_steering(struct reader *r, struct slice name, const struct word *value, size_t at) {
    struct command command = {.at = at};
    struct word word = word_of(name, at);
    _cleanup_builder_ struct builder b;

    builder_init(&b, r);
    if (!builder_put(&b, name) || !builder_put(&b, SLICE("=")))
        return false;
    if (value && buf_append(&b.seen, word_value(value)) < 0)
        return reader_short(r);
    if (!value && buf_append(&b.seen, SLICE("\xFF")) < 0)
        return reader_short(r);
    word.seen = arena_copy(&r->shell->findings->memory, buf_slice(&b.seen));
    word.shown = value ? value->written : arena_copy(&r->shell->findings->memory, buf_slice(&b.shown));
    if (!word.seen.p || !word.shown.p)
        return reader_short(r);
    command.words = &word;
    command.n_words = 1;
    return command_add(r, &command);
}

bool name_set(struct reader *r, struct slice name, const struct word *value, bool is_part_of_command, size_t at) {
    bool is_number = value && value->is_number;

    switch (variable_kind(name)) {
    case VARIABLE_READS:
        return reader_fault(r, at, "%.*s changes how bash reads what follows", SLICE_ARG(slice_first(name, 40)));
    case VARIABLE_LOCALE:
        if (!value || !value->is_known || value->is_appended || !locale_is_plain(word_value(value)))
            return reader_fault(r, at, "%.*s may change which bytes bash takes for letters",
                                SLICE_ARG(slice_first(name, 40)));
        return true;
    case VARIABLE_STEERS:
        if (!is_part_of_command && !find_steering(r, name, value, at))
            return false;
        break;
    case VARIABLE_PLAIN:
    case VARIABLE_INTEGER:
    case VARIABLE_FILLED:
        break;
    }
    return name_note(r, name, is_number ? NAME_IS_NUMBER : NAME_IS_TEXT, at);
}

bool name_set_to_number(struct reader *r, struct slice name, size_t at) {
    enum variable_kind kind = variable_kind(name);

    if (kind == VARIABLE_PLAIN || kind == VARIABLE_INTEGER || kind == VARIABLE_FILLED)
        return name_note(r, name, NAME_IS_NUMBER, at);
    return name_set(r, name, NULL, false, at);
}
