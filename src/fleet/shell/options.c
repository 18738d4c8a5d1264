#include "fleet/shell/habits.h"

static bool is_in(struct slice name, const struct slice *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (slice_equals(name, names[i]))
            return true;
    }
    return false;
}

bool set_option_is_harmless(struct slice name) {
    static const struct slice names[] = {
        SLICE("allexport"), SLICE("braceexpand"), SLICE("errexit"), SLICE("errtrace"),  SLICE("functrace"),
        SLICE("hashall"),   SLICE("ignoreeof"),   SLICE("monitor"), SLICE("noclobber"), SLICE("noexec"),
        SLICE("noglob"),    SLICE("nolog"),       SLICE("notify"),  SLICE("nounset"),   SLICE("onecmd"),
        SLICE("physical"),  SLICE("pipefail"),    SLICE("verbose"), SLICE("xtrace"),
    };

    return is_in(name, names, ARRAY_LEN(names));
}

/* With nullglob a glob may be no word: the name must stand where that was seen before all else. */
bool shopt_is_harmless(const struct reader *r, struct slice name) {
    static const struct slice names[] = {
        SLICE("dotglob"),         SLICE("failglob"),  SLICE("globstar"),     SLICE("globskipdots"),
        SLICE("inherit_errexit"), SLICE("lastpipe"),  SLICE("nocaseglob"),   SLICE("nocasematch"),
        SLICE("checkhash"),       SLICE("checkjobs"), SLICE("checkwinsize"), SLICE("huponexit"),
        SLICE("cdspell"),         SLICE("direxpand"), SLICE("autocd"),
    };

    if (slice_equals(name, SLICE("nullglob")))
        return r->shell->globs_may_vanish;
    return is_in(name, names, ARRAY_LEN(names));
}

/* `set -eu -o pipefail -- words`: the words are nothing to us, what stands before them must be known. */
bool set_look(struct reader *r, const struct command *command) {
    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];

        if (word_is(word, SLICE("--")) || word_is(word, SLICE("-")))
            return true;
        if (!word->is_known)
            return word_may_begin(word, SLICE("-")) || word_may_begin(word, SLICE("+")) ? hidden(r, word, "set") : true;
        if (word->seen.n == 0 || !slice_has(SLICE("+-"), word->seen.p[0]))
            return true;
        for (size_t k = 1; k < word->seen.n; k++) {
            bool is_name_next = word->seen.p[k] == 'o' && k + 1 == word->seen.n;

            if (!slice_has(SLICE("abefhmnptuvxBCEPT"), word->seen.p[k]) && !is_name_next)
                return reader_fault(r, word->at, "an option of set that changes how bash reads, or is not known here");
        }
        if (!slice_ends_with(word->seen, SLICE("o")) || i + 1 == command->n_words)
            continue;
        word = &command->words[++i];
        if (!word->is_known || !set_option_is_harmless(word->seen))
            return reader_fault(r, word->at, "an option of set that changes how bash reads, or is not known here");
    }
    return true;
}

bool shopt_look(struct reader *r, const struct command *command) {
    bool is_set_option = false;

    for (size_t i = 1; i < command->n_words; i++) {
        const struct word *word = &command->words[i];

        if (!word->is_known)
            return hidden(r, word, "shopt");
        if (slice_starts_with(word->seen, SLICE("-"))) {
            is_set_option = is_set_option || slice_has(word->seen, 'o');
            continue;
        }
        if (!(is_set_option ? set_option_is_harmless(word->seen) : shopt_is_harmless(r, word->seen)))
            return reader_fault(r, word->at, "an option of shopt that changes how bash reads, or is not known here");
    }
    return true;
}
