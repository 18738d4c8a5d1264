#include "fleet/shell/document.h"
#include "fleet/shell/grammar.h"
#include "fleet/shell/habits.h"

bool shell_text_found(struct reader *r, const struct word *word, const char *within, bool is_posix) {
    struct reader inner = reader_within(r, word->seen, word->at, within);

    if (!word->is_known)
        return reader_fault(r, word->at, "the text for %s has parts that only the run knows", within);
    inner.is_posix = is_posix;
    if (!reader_descend(&inner, 0))
        return false;
    return text_read(&inner);
}

/* Shells whose text is bash's, or what bash and they have in common. */
static bool is_posix_shell(struct slice name) {
    return !slice_equals(name, SLICE("bash")) && !slice_equals(name, SLICE("rbash"));
}

/* What a shell's command line says. */
struct invocation {
    size_t next;
    bool has_text;  /* -c */
    bool has_input; /* -s */
    bool is_over;   /* nothing is run: --version */
};

static bool unknown_option(const struct reader *r, const struct word *word) {
    return reader_fault(r, word->at, "an option of a shell that changes how it reads, or is not known here");
}

/* `-o NAME`, `-O NAME`: in the words behind the letters, in their order. */
static bool take_setting(struct reader *r, const struct command *command, struct invocation *call, bool is_shopt) {
    const struct word *word = &command->words[call->next];

    if (call->next >= command->n_words)
        return true;
    call->next++;
    if (!word->is_known || !(is_shopt ? shopt_is_harmless(r, word->seen) : set_option_is_harmless(word->seen)))
        return unknown_option(r, word);
    return true;
}

static bool read_letters(struct reader *r, const struct command *command, struct invocation *call) {
    const struct word *word = &command->words[call->next++];

    for (size_t i = 1; i < word->seen.n; i++) {
        char letter = word->seen.p[i];

        if (letter == 'c')
            call->has_text = true; /* with a `+` as well: neither bash nor dash looks at the sign */
        else if (letter == 's')
            call->has_input = true;
        else if (letter == 'o' || letter == 'O') {
            if (!take_setting(r, command, call, letter == 'O'))
                return false;
        } else if (!slice_has(SLICE("abefhlmnpruvxBCEPT"), letter))
            return unknown_option(r, word);
    }
    return true;
}

static bool read_long_option(struct reader *r, const struct command *command, struct invocation *call) {
    static const struct slice harmless[] = {SLICE("--norc"), SLICE("--noprofile"), SLICE("--login"), SLICE("--verbose"),
                                            SLICE("--noediting")};
    const struct word *word = &command->words[call->next++];

    call->is_over = word_is(word, SLICE("--version")) || word_is(word, SLICE("--help"));
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        if (slice_equals(word->seen, harmless[i]))
            return true;
    }
    return call->is_over ? true : unknown_option(r, word);
}

static bool read_invocation(struct reader *r, const struct command *command, struct invocation *call) {
    call->next = 1;
    while (call->next < command->n_words && !call->is_over) {
        const struct word *word = &command->words[call->next];
        bool is_good;

        if (word->may_vanish || (word->seen.n > 0 && word->seen.p[0] == SEEN_ANY))
            return hidden(r, word, call->has_text ? "the text behind -c" : "a shell");
        if (word->seen.n == 0 || !slice_has(SLICE("+-"), word->seen.p[0]))
            break;
        if (!word->is_known)
            return hidden(r, word, "a shell");
        if (word_is(word, SLICE("-")) || word_is(word, SLICE("--"))) {
            call->next++;
            break;
        }
        is_good = slice_starts_with(word->seen, SLICE("--")) ? read_long_option(r, command, call)
                                                             : read_letters(r, command, call);
        if (!is_good)
            return false;
    }
    return true;
}

/* A shell without text and without a file reads its input: a here-document or a word that is one is known. */
static bool read_input(struct reader *r, const struct command *command, const char *within, bool is_posix) {
    for (size_t i = 0; i < command->n_redirections; i++) {
        const struct redirection *redirection = &command->redirections[i];

        if (redirection->document) {
            redirection->document->runs_within = within;
            redirection->document->runs_as_posix = is_posix;
        }
        if (redirection->kind == REDIRECTION_TEXT && !shell_text_found(r, &redirection->target, within, is_posix))
            return false;
    }
    return true;
}

bool shell_look(struct reader *r, const struct command *command) {
    struct invocation call = {0};
    bool is_posix = is_posix_shell(base_name(&command->words[0]));

    if (!read_invocation(r, command, &call))
        return false;
    if (call.is_over)
        return true;
    if (call.has_text && call.next < command->n_words)
        return shell_text_found(r, &command->words[call.next], is_posix ? "sh -c" : "bash -c", is_posix);
    if (call.next < command->n_words && !call.has_input)
        return true;
    return read_input(r, command, is_posix ? "sh" : "bash", is_posix);
}

/* A file, or nothing, as for any interpreter; but their text is not bash's, nor the options before it. */
bool foreign_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];

        if (!word->is_known || (word->seen.n > 0 && slice_has(SLICE("+-"), word->seen.p[0])))
            return reader_fault(r, word->at, "a shell whose text is not bash's");
    }
    return true;
}

/* Shell text in several words, from the one at `first` on: a blank is put between them. */
static bool joined_text_found(struct reader *r, const struct command *command, size_t first, const char *within,
                              bool is_posix) {
    _cleanup_builder_ struct builder b;
    struct word text;

    builder_init(&b, r);
    for (size_t i = first; i < command->n_words; i++) {
        if (!command->words[i].is_known)
            return hidden(r, &command->words[i], within);
        if ((i > first && !builder_put(&b, SLICE(" "))) || !builder_put(&b, command->words[i].seen))
            return false;
    }
    text = word_of(arena_copy(&r->shell->findings->memory, buf_slice(&b.seen)), command->at);
    return text.seen.p ? shell_text_found(r, &text, within, is_posix) : reader_short(r);
}

bool eval_look(struct reader *r, const struct command *command) {
    bool has_dashes = command->n_words > 1 && word_is(&command->words[1], SLICE("--"));

    if (has_dashes && r->is_posix)
        return reader_fault(r, command->at, "eval -- is not the same to every sh");
    return joined_text_found(r, command, has_dashes ? 2 : 1, "eval", r->is_posix);
}

/* What prints numbers may print more where one of these is set: `set -E` takes it into substitutions. */
static bool note_trap(struct reader *r, const struct command *command, size_t first) {
    static const struct slice counters[] = {SLICE("date"), SLICE("wc"), SLICE("nproc"), SLICE("seq")};
    bool is_plain = true;

    for (size_t i = first; i < command->n_words; i++) {
        struct slice name = command->words[i].seen;

        if (slice_starts_with(name, SLICE("SIG")))
            name = slice_from(name, 3);
        is_plain = is_plain && command->words[i].is_known && !slice_equals_nocase(name, SLICE("ERR")) &&
                   !slice_equals_nocase(name, SLICE("DEBUG")) && !slice_equals_nocase(name, SLICE("RETURN"));
    }
    for (size_t i = 0; i < ARRAY_LEN(counters) && !is_plain; i++) {
        if (!name_note(r, counters[i], NAME_IS_FUNCTION, command->at))
            return false;
    }
    return true;
}

/* `trap ACTION SIGNAL...`: a single word, a number or a dash takes an action back. */
bool trap_look(struct reader *r, const struct command *command) {
    size_t at = 1;
    bool has_options = true;

    if (at < command->n_words && word_is(&command->words[at], SLICE("--"))) {
        has_options = false;
        at++;
    }
    if (at < command->n_words && !command->words[at].is_known)
        return hidden(r, &command->words[at], "trap");
    if (at + 1 >= command->n_words)
        return true;
    if (has_options && (has_letter(&command->words[at], 'l') || has_letter(&command->words[at], 'p')))
        return true;
    if (word_is(&command->words[at], SLICE("-")))
        return true;
    return note_trap(r, command, at + 1) && shell_text_found(r, &command->words[at], "trap", r->is_posix);
}

/* watch hands its words to sh, with blanks between them. */
bool watch_look(struct reader *r, const struct command *command) {
    size_t at = 1;

    for (; at < command->n_words; at++) {
        const struct word *word = &command->words[at];

        if (!word->is_known)
            return hidden(r, word, "watch");
        if (word->seen.n < 2 || word->seen.p[0] != '-')
            break;
        if (word_is(word, SLICE("-n")) || word_is(word, SLICE("--interval")))
            at++;
        else if (!slice_starts_with(word->seen, SLICE("-n")) && !slice_starts_with(word->seen, SLICE("--interval=")) &&
                 !word_is(word, SLICE("-d")) && !word_is(word, SLICE("-t")))
            return reader_fault(r, word->at, "an option of watch that is not known here");
    }
    return at < command->n_words ? joined_text_found(r, command, at, "watch", true) : true;
}

/* getopt_long(3) takes any beginning of an option that begins no other. */
static bool abbreviates(struct slice option, struct slice whole) {
    return option.n > 2 && slice_starts_with(whole, option);
}

/* `runuser -u USER COMMAND`, or else as su. */
bool runuser_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];
        struct slice option = slice_first(word->seen, slice_index(word->seen, '='));

        if (has_letter(word, 'u') || abbreviates(option, SLICE("--user")))
            return prefix_look(r, command);
    }
    return string_option_look(r, command);
}

/* Another shell, or what is handed on to the shell: its options, or to script a command. */
static bool steers_shell(const struct word *word, struct slice option) {
    return has_letter(word, 's') || abbreviates(option, SLICE("--shell")) || word_is(word, SLICE("--")) ||
           slice_starts_with(word->seen, SLICE("+"));
}

/* `su USER -c TEXT`, wherever the option stands: -c, -lc, --command=TEXT. */
bool string_option_look(struct reader *r, const struct command *command) {
    const char *name = "su -c";

    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];
        struct slice value = word->seen, option = slice_cut(&value, '=');
        struct word text = word_of(value, word->at);
        bool is_long = abbreviates(option, SLICE("--command")) || abbreviates(option, SLICE("--session-command"));

        if (!word->is_known)
            return hidden(r, word, "su or script");
        if (steers_shell(word, option))
            return reader_fault(r, word->at, "another shell, or words that su or script hands on to one");
        if (!is_long && !has_letter(word, 'c'))
            continue;
        if (!is_long || !value.p) {
            if (!is_long && word->seen.p[word->seen.n - 1] != 'c')
                return reader_fault(r, word->at, "an option -c with its text in the same word");
            if (i + 1 == command->n_words)
                break;
            text = command->words[i + 1]; /* it is looked at again: it may be another option's, and an option itself */
        }
        if (!shell_text_found(r, &text, name, true))
            return false;
    }
    return read_input(r, command, "sh", true);
}
