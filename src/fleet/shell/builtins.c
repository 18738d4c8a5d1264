#include "fleet/shell/arithmetic.h"
#include "fleet/shell/habits.h"

bool never_look(struct reader *r, const struct command *command) {
    return reader_fault(r, command->words[0].at, "%.*s: what it would change or run cannot be told",
                        SLICE_ARG(slice_first(base_name(&command->words[0]), 40)));
}

/* A builtin sets the variable that a word names: the name must be known, for bash runs subscripts in it. */
static bool set_by_word(struct reader *r, const struct word *word, const char *name) {
    if (!word->is_known || !is_name(word->seen))
        return hidden(r, word, name);
    return name_set(r, word->seen, NULL, false, word->at);
}

/* The letters that give a variable another nature are none of these: -i calculates, -n is another name. */
static bool read_attributes(struct reader *r, const struct word *word, bool *are_lists) {
    for (size_t i = 1; i < word->seen.n; i++) {
        if (!slice_has(SLICE("aAfFgIlprtux-"), word->seen.p[i]))
            return reader_fault(r, word->at, "an attribute by which bash would calculate, or not known here");
        *are_lists = *are_lists || word->seen.p[i] == 'a' || word->seen.p[i] == 'A';
    }
    return true;
}

/*
 * Where bash sees a declaration it takes `A=$x` for one word. It does not where the command's name is quoted or another
 * command runs it, nor does every sh: then x may bring names of its own.
 */
static bool splits_declared(const struct reader *r, const struct command *command) {
    return r->is_posix || command->is_given || !is_declaration(&command->words[0]);
}

static bool declare_name(struct reader *r, const struct word *word, bool is_list) {
    struct slice name = slice_first(word->seen, word->name_n > 0 ? word->name_n : word->seen.n);

    if (word->is_element || !is_name(name) || (word->name_n == 0 && !word->is_known))
        return hidden(r, word, "a declaration");
    if ((is_list || word->is_list) && !name_note(r, name, NAME_IS_ARRAY, word->at))
        return false;
    if (word->name_n == 0 || word->is_list)
        return true;
    return name_note(r, name, NAME_IS_DECLARED, word->at) && name_set(r, name, word, false, word->at);
}

/* `declare -x A=1 B` */
bool declare_look(struct reader *r, const struct command *command) {
    bool are_lists = false;

    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];
        bool is_option = word->is_known && word->seen.n > 0 && slice_has(SLICE("+-"), word->seen.p[0]);

        if (!word->is_single && splits_declared(r, command))
            return hidden(r, word, "a declaration");
        if (is_option ? !read_attributes(r, word, &are_lists) : !declare_name(r, word, are_lists))
            return false;
    }
    return true;
}

bool getopts_look(struct reader *r, const struct command *command) {
    if (command->n_words < 3)
        return true;
    if (!command->words[1].is_single)
        return hidden(r, &command->words[1], "getopts");
    return set_by_word(r, &command->words[2], "getopts");
}

bool hash_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];

        if (!word->is_known || has_letter(word, 'p'))
            return hidden(r, word, "hash");
    }
    return true;
}

bool jobs_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];

        if (!word->is_known || has_letter(word, 'x'))
            return hidden(r, word, "jobs");
    }
    return true;
}

bool let_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        struct reader inner = reader_within(r, command->words[i].seen, command->words[i].at, "let");

        if (!command->words[i].is_known)
            return hidden(r, &command->words[i], "let");
        if (!arithmetic_read(&inner, SLICE_EMPTY))
            return false;
    }
    return true;
}

/* `printf -v NAME`. What only the run knows might be that, where a word stands behind it. */
bool printf_look(struct reader *r, const struct command *command) {
    const struct word *words = command->words;

    if (command->n_words < 2)
        return true;
    if (!words[1].is_known && word_may_begin(&words[1], SLICE("-")) && (command->n_words > 2 || !words[1].is_single))
        return hidden(r, &words[1], "printf");
    if (!slice_starts_with(words[1].seen, SLICE("-v")))
        return true;
    if (!word_is(&words[1], SLICE("-v")) || command->n_words < 3)
        return hidden(r, &words[1], "printf");
    return set_by_word(r, &words[2], "printf");
}

/* Letters of `read` and `mapfile` that take an argument. */
static bool takes_argument(struct slice name, char letter) {
    return slice_has(slice_equals(name, SLICE("read")) ? SLICE("dinNptu") : SLICE("dnOsuc"), letter);
}

/*
 * One word of options, at `*at`, with the word that its last letter takes. `-a NAME` sets a variable; `-C` runs a
 * command, and `-e` reads as an editor would: neither is listed.
 */
static bool read_option(struct reader *r, const struct command *command, struct slice name, size_t *at) {
    const struct word *word = &command->words[*at];

    for (size_t i = 1; i < word->seen.n; i++) {
        char letter = word->seen.p[i];
        bool is_last = i + 1 == word->seen.n;

        if (letter == 'a' && is_last && *at + 1 < command->n_words) {
            ++*at;
            return set_by_word(r, &command->words[*at], "read") &&
                   name_note(r, command->words[*at].seen, NAME_IS_ARRAY, word->at);
        }
        if (takes_argument(name, letter)) {
            if (is_last && *at + 1 < command->n_words && !command->words[++*at].is_single)
                return hidden(r, &command->words[*at], "read");
            return word->is_single && (is_last || word->seen.p[i + 1] != SEEN_ANY) ? true : hidden(r, word, "read");
        }
        if (letter != 'r' && letter != 's' && letter != 't')
            return hidden(r, word, "read");
    }
    return true;
}

bool read_look(struct reader *r, const struct command *command) {
    struct slice name = base_name(&command->words[0]);
    bool is_array = !slice_equals(name, SLICE("read")), has_options = true;

    for (size_t at = 1; at < command->n_words; at++) {
        const struct word *word = &command->words[at];

        if (has_options && word_is(word, SLICE("--"))) {
            has_options = false;
        } else if (has_options && slice_starts_with(word->seen, SLICE("-"))) {
            if (!read_option(r, command, name, &at))
                return false;
        } else {
            has_options = false;
            if (!set_by_word(r, word, "read") || (is_array && !name_note(r, word->seen, NAME_IS_ARRAY, word->at)))
                return false;
        }
    }
    return true;
}

static bool may_be_variable_test(const struct word *word) {
    return !word->is_known || word_is(word, SLICE("-v")) || word_is(word, SLICE("-R"));
}

/* `test -v NAME` runs a subscript in NAME. Unquoted, what only the run knows could bring all of that. */
bool test_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i], *next = word + 1;

        if (!word->is_single && !word->is_number) {
            if (word->variable.n == 0)
                return reader_fault(r, word->at, "unquoted, this could bring test a -v of its own");
            if (!name_note(r, word->variable, NAME_IS_COUNTED, word->at))
                return false;
        }
        if (i + 1 < command->n_words && may_be_variable_test(word) && !word->is_number &&
            (!next->is_known || slice_has(next->seen, '[')) && !next->is_number)
            return reader_fault(r, word->at, "test could take this for -v, and run a subscript in what follows");
    }
    return true;
}

bool unset_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        if (!command->words[i].is_known || slice_has(command->words[i].seen, '['))
            return hidden(r, &command->words[i], "unset");
    }
    return true;
}

/* `wait -p NAME`. What it waits for are numbers. */
bool wait_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];

        if (has_letter(word, 'p')) {
            if (word->seen.p[word->seen.n - 1] != 'p' || ++i == command->n_words)
                return hidden(r, word, "wait");
            if (!set_by_word(r, &command->words[i], "wait"))
                return false;
        } else if (word->variable.n > 0) {
            if (!name_note(r, word->variable, NAME_IS_COUNTED, word->at))
                return false;
        } else if (!word->is_known && !word->is_number) {
            return hidden(r, word, "wait");
        }
    }
    return true;
}
