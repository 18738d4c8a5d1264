#include "fleet/shell/habits.h"

static bool is_exec(const struct word *word) {
    static const struct slice actions[] = {SLICE("-exec"), SLICE("-execdir"), SLICE("-ok"), SLICE("-okdir")};

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (word_is(word, actions[i]))
            return true;
    }
    return false;
}

/* `;`, or a `+` behind `{}`. */
static bool ends_exec(const struct word *words, size_t at) {
    return word_is(&words[at], SLICE(";")) || (word_is(&words[at], SLICE("+")) && word_is(&words[at - 1], SLICE("{}")));
}

static bool has_place(const struct word *word) {
    for (size_t i = 0; i + 1 < word->seen.n; i++) {
        if (word->seen.p[i] == '{' && word->seen.p[i + 1] == '}')
            return true;
    }
    return false;
}

/* A file's name comes where `{}` stands. */
static bool give(struct reader *r, const struct command *command, size_t first, size_t end) {
    struct command given = *command;
    size_t n = end - first;

    given.words = arena_take(&r->shell->findings->memory, (n + 1) * sizeof(*given.words));
    if (!given.words)
        return reader_short(r);
    memcpy(given.words, command->words + first, n * sizeof(*given.words));
    for (size_t i = 0; i < n; i++) {
        if (has_place(&given.words[i])) {
            given.words[i].seen = SLICE("\xFF");
            given.words[i].is_known = given.words[i].is_number = false;
        }
    }
    given.n_words = n;
    return command_given(r, &given, 0, 0, "find");
}

/*
 * What only the run knows could be an `-exec` itself, where a word for a command stands behind it and something that
 * ends one; and unquoted it could be all of that.
 */
static bool check_unknown(struct reader *r, const struct command *command, size_t at) {
    const struct word *word = &command->words[at], *next = word + 1;

    if (word->is_known || !word_may_begin(word, SLICE("-")))
        return true;
    if (!word->is_single)
        return reader_fault(r, word->at, "unquoted, this could bring find an -exec of its own");
    if (at + 1 == command->n_words || (next->seen.n > 0 && slice_has(SLICE("-!()"), next->seen.p[0])))
        return true;
    for (size_t i = at + 2; i < command->n_words; i++) {
        if (!command->words[i].is_known || word_is(&command->words[i], SLICE(";")) ||
            word_is(&command->words[i], SLICE("+")))
            return hidden(r, word, "find");
    }
    return true;
}

bool find_look(struct reader *r, const struct command *command) {
    for (size_t at = 1; at < command->n_words; at++) {
        size_t first = at + 1, end = first;

        if (!check_unknown(r, command, at))
            return false;
        if (!is_exec(&command->words[at]))
            continue;
        while (end < command->n_words && !ends_exec(command->words, end)) {
            if (!command->words[end].is_single && !has_place(&command->words[end]))
                return hidden(r, &command->words[end], "find");
            end++;
        }
        if (first == end || end == command->n_words)
            return reader_fault(r, command->words[at].at, "an -exec of find without its end");
        if (!give(r, command, first, end))
            return false;
        at = end;
    }
    return true;
}
