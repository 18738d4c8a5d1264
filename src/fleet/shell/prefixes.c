#include "base/limits.h"
#include "fleet/shell/habits.h"

/*
 * Commands that have options, perhaps some words of their own, and then another command. An option that is not listed
 * is a fault, for nobody knows how many words belong to it.
 */
static const struct prefix {
    const char *name;
    const char *flags;      /* letters without an argument */
    const char *takes;      /* letters with one, in the same word or the next */
    const char *may_take;   /* letters with one in the same word, or none */
    const char *long_flags; /* as these, by words; each in blanks */
    const char *long_takes;
    const char *long_may_take;
    size_t n_operands; /* words before the command */
    bool assigns;      /* NAME=VALUE may stand before it */
    bool appends;      /* words that only the run knows come behind the command's, or into their midst */
} prefixes[] = {
    {"builtin", "", "", "", "", "", "", 0, false, false},
    {"busybox", "", "", "", "", "", "", 0, false, false},
    {"chroot", "", "", "", " skip-chdir ", " userspec groups ", "", 1, false, false},
    {"chrt", "abfiorRv", "TPD", "", " all-tasks batch deadline fifo idle other rr reset-on-fork verbose ",
     " sched-runtime sched-period sched-deadline ", "", 1, false, false},
    {"command", "p", "", "", "", "", "", 0, false, false},
    {"doas", "nsL", "Cu", "", "", "", "", 0, false, false},
    {"eatmydata", "", "", "", "", "", "", 0, false, false},
    {"env", "i0v", "uC", "", " ignore-environment null debug list-signal-handling ", " unset chdir ",
     " default-signal ignore-signal block-signal ", 0, true, false},
    {"exec", "cl", "a", "", "", "", "", 0, false, false},
    {"fakeroot", "u", "slib", "", " unknown-is-real ", " lib faked ", "", 0, false, false},
    {"flock", "eFnosuvx", "Ew", "", " exclusive no-fork nb nonblock close shared unlock verbose ",
     " conflict-exit-code wait timeout ", "", 1, false, false},
    {"ionice", "t", "cnpPu", "", " ignore ", " class classdata pid pgid uid ", "", 0, false, false},
    {"nice", "0123456789", "n", "", "", " adjustment ", "", 0, false, false},
    {"nohup", "", "", "", "", "", "", 0, false, false},
    {"runuser", "lmpP", "gGsuw", "", " fast login pty preserve-environment ",
     " group shell supp-group user whitelist-environment ", "", 0, false, false},
    {"setsid", "cfw", "", "", " ctty fork wait ", "", "", 0, false, false},
    {"stdbuf", "", "ioe", "", "", " input output error ", "", 0, false, false},
    {"sudo", "AbBeEHiKklNnPSsVv", "CDgpRrTtUu", "",
     " askpass background bell edit set-home login remove-timestamp reset-timestamp list non-interactive "
     "preserve-groups "
     "stdin shell validate no-update ",
     " close-from chdir group prompt chroot role command-timeout type other-user user ", " preserve-env ", 0, true,
     false},
    {"taskset", "ac", "", "", " all-tasks cpu-list ", "", "", 1, false, false},
    {"time", "apqv", "fo", "", " append portability quiet verbose ", " format output ", "", 0, false, false},
    {"timeout", "v", "ks", "", " foreground preserve-status verbose ", " kill-after signal ", "", 1, false, false},
    {"toybox", "", "", "", "", "", "", 0, false, false},
    {"unbuffer", "p", "", "", "", "", "", 0, false, false},
    {"unshare", "CcfimnprTuU", "GRSw", "", " fork map-root-user map-current-user map-auto keep-caps ",
     " root wd setuid setgid propagation setgroups map-user map-group map-users map-groups ",
     " cgroup ipc mount net pid time user uts mount-proc kill-child ", 0, false, false},
    {"xargs", "0oprtx", "adEILnPs", "eil", " null open-tty interactive no-run-if-empty show-limits verbose exit ",
     " arg-file delimiter max-args max-procs max-chars process-slot-var ", " eof max-lines replace ", 0, false, true},
};

/* What was read of a prefix's own words. */
struct reading {
    size_t next;         /* the first word behind them */
    struct slice marker; /* xargs -I: what is replaced by a line of the input; empty without */
    bool has_marker;
    bool counts; /* xargs -n, -L, -l: behind -I they take it back, and what is read comes behind the words again */
};

static bool letter_is_in(const char *letters, char letter) {
    return letter != '\0' && slice_has(slice_of_string(letters), letter);
}

/* `name` is one of the words, each of which stands between blanks. */
static bool word_is_in(const char *words, struct slice name) {
    struct slice rest = slice_of_string(words);

    while (rest.p) {
        if (name.n > 0 && slice_equals(slice_cut(&rest, ' '), name))
            return true;
    }
    return false;
}

static bool unknown_option(const struct reader *r, const struct prefix *prefix, const struct word *word) {
    return reader_fault(r, word->at, "an option of %s that is not known here: %.*s", prefix->name,
                        SLICE_ARG(slice_first(word->shown, 40)));
}

/* The next word is an option's: it must be one, whatever it becomes. */
static bool take_argument(struct reader *r, const struct command *command, const struct prefix *prefix,
                          struct reading *reading, struct slice *ret) {
    const struct word *word = &command->words[reading->next];

    if (reading->next >= command->n_words)
        return true;
    if (!word->is_single)
        return hidden(r, word, prefix->name);
    *ret = word->seen;
    reading->next++;
    return true;
}

static void note_marker(const struct prefix *prefix, struct reading *reading, bool is_marker, struct slice value) {
    if (!prefix->appends || !is_marker)
        return;
    reading->has_marker = true;
    reading->marker = value.n > 0 ? value : SLICE("{}");
}

static bool read_long_option(struct reader *r, const struct command *command, const struct prefix *prefix,
                             struct reading *reading) {
    const struct word *word = &command->words[reading->next++];
    struct slice value = slice_from(word->seen, 2), name = slice_cut(&value, '=');
    bool has_value = value.p != NULL;

    if (!word->is_single)
        return hidden(r, word, prefix->name);
    note_marker(prefix, reading, slice_equals(name, SLICE("replace")), has_value ? value : SLICE_EMPTY);
    reading->counts = reading->counts || word_is_in(" max-args max-lines ", name);
    if (word_is_in(prefix->long_may_take, name) || (!has_value && word_is_in(prefix->long_flags, name)))
        return true;
    if (!word_is_in(prefix->long_takes, name))
        return unknown_option(r, prefix, word);
    return has_value ? true : take_argument(r, command, prefix, reading, &value);
}

/* Letters behind one dash, up to one that takes the rest. */
static bool read_letters(struct reader *r, const struct command *command, const struct prefix *prefix,
                         struct reading *reading) {
    const struct word *word = &command->words[reading->next++];

    for (size_t i = 1; i < word->seen.n; i++) {
        char letter = word->seen.p[i];
        struct slice rest = slice_from(word->seen, i + 1);
        bool takes = letter_is_in(prefix->takes, letter), may_take = letter_is_in(prefix->may_take, letter);

        if (!takes && !may_take) {
            if (!letter_is_in(prefix->flags, letter))
                return unknown_option(r, prefix, word);
            continue;
        }
        if (!word->is_single || (rest.n > 0 && rest.p[0] == SEEN_ANY))
            return hidden(r, word, prefix->name);
        if (takes && rest.n == 0 && !take_argument(r, command, prefix, reading, &rest))
            return false;
        note_marker(prefix, reading, letter == 'I' || letter == 'i', rest);
        reading->counts = reading->counts || letter_is_in("nLl", letter);
        return true;
    }
    return word->is_single ? true : hidden(r, word, prefix->name);
}

/* Options end at the first word that is none. What only the run knows might be one. */
static bool read_options(struct reader *r, const struct command *command, const struct prefix *prefix,
                         struct reading *reading) {
    reading->next = 1;
    while (reading->next < command->n_words) {
        const struct word *word = &command->words[reading->next];
        bool is_good;

        if (word->may_vanish || (word->seen.n > 0 && word->seen.p[0] == SEEN_ANY))
            return hidden(r, word, prefix->name);
        if (word->seen.n == 0 || word->seen.p[0] != '-')
            return true;
        if (word_is(word, SLICE("--"))) {
            reading->next++;
            return true;
        }
        if (word_is(word, SLICE("-"))) {
            if (!prefix->assigns)
                return true;
            reading->next++; /* env - */
            continue;
        }
        is_good = word->seen.p[1] == '-' ? read_long_option(r, command, prefix, reading)
                                         : read_letters(r, command, prefix, reading);
        if (!is_good)
            return false;
    }
    return true;
}

static bool skip_operands(struct reader *r, const struct command *command, const struct prefix *prefix,
                          struct reading *reading) {
    for (size_t i = 0; i < prefix->n_operands && reading->next < command->n_words; i++) {
        if (!command->words[reading->next].is_single)
            return hidden(r, &command->words[reading->next], prefix->name);
        reading->next++;
    }
    return true;
}

/* `NAME=VALUE` as env takes it: any name at all. */
static bool take_assignment(struct word *word) {
    size_t n = slice_index(word->seen, '=');

    if (n == word->seen.n || slice_has(slice_first(word->seen, n), SEEN_ANY))
        return false;
    word->name_n = n;
    word->value_at = n + 1;
    return true;
}

static bool take_assignments(struct reader *r, const struct command *command, const struct prefix *prefix,
                             struct reading *reading, size_t *ret_n) {
    *ret_n = 0;
    while (prefix->assigns && reading->next < command->n_words && take_assignment(&command->words[reading->next])) {
        if (!command->words[reading->next].is_single || command->words[reading->next].name_n == 0)
            return hidden(r, &command->words[reading->next], prefix->name);
        reading->next++;
        ++*ret_n;
    }
    return true;
}

static bool holds(struct slice text, struct slice part) {
    for (size_t i = 0; i + part.n <= text.n; i++) {
        if (slice_starts_with(slice_from(text, i), part))
            return true;
    }
    return false;
}

static const struct word anything = {
    .written = SLICE("..."),
    .seen = SLICE("\xFF"),
    .shown = SLICE("..."),
    .may_vanish = true,
};

/* xargs: the words that come from its input are unknown. */
static bool append_input(struct reader *r, struct command *command, const struct reading *reading) {
    size_t n = command->n_words;
    struct word *words = arena_take(&r->shell->findings->memory, (n + 1) * sizeof(*words));

    if (!words)
        return reader_short(r);
    if (reading->marker.n > LIMIT_NAME)
        return reader_fault(r, command->at, "a marker of xargs that is too long");
    memcpy(words, command->words, n * sizeof(*words));
    for (size_t i = reading->next; i < n && reading->has_marker; i++) {
        if (holds(words[i].seen, reading->marker)) {
            words[i].seen = SLICE("\xFF");
            words[i].is_known = words[i].is_number = false;
            words[i].name_n = 0;
        }
    }
    words[n] = anything;
    words[n].at = command->at;
    command->n_words = n + (!reading->has_marker || reading->counts);
    command->words = words;
    return true;
}

static const struct prefix *prefix_of(const struct command *command) {
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (slice_equals(base_name(&command->words[0]), slice_of_string(prefixes[i].name)))
            return &prefixes[i];
    }
    return NULL;
}

/* `command -v NAME` runs nothing. */
static bool only_looks_up(const struct prefix *prefix, const struct command *command) {
    if (!slice_equals(slice_of_string(prefix->name), SLICE("command")) || command->n_words < 2)
        return false;
    return command->words[1].is_known && (has_letter(&command->words[1], 'v') || has_letter(&command->words[1], 'V'));
}

/* `flock FILE -c TEXT`. */
static bool is_followed_by_text(const struct prefix *prefix, const struct command *command, size_t next) {
    if (!slice_equals(slice_of_string(prefix->name), SLICE("flock")) || next + 1 >= command->n_words)
        return false;
    return word_is(&command->words[next], SLICE("-c")) || word_is(&command->words[next], SLICE("--command"));
}

bool prefix_look(struct reader *r, const struct command *command) {
    const struct prefix *prefix = prefix_of(command);
    struct reading reading = {.marker = SLICE_EMPTY};
    struct command whole = *command;
    size_t n_assignments = 0;

    if (!prefix || only_looks_up(prefix, command))
        return true;
    if (!read_options(r, command, prefix, &reading) || !skip_operands(r, command, prefix, &reading) ||
        !take_assignments(r, command, prefix, &reading, &n_assignments))
        return false;
    if (is_followed_by_text(prefix, command, reading.next))
        return shell_text_found(r, &command->words[reading.next + 1], "flock -c", true);
    if (prefix->appends && reading.next < command->n_words && !append_input(r, &whole, &reading))
        return false;
    return command_given(r, &whole, reading.next, n_assignments, prefix->name);
}
