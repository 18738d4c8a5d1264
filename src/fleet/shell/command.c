#include "fleet/shell/command.h"

#include <errno.h>

#include "base/limits.h"

struct text_pair {
    struct buf seen, shown;
};

static void text_pair_done(struct text_pair *text) {
    buf_release(&text->seen);
    buf_release(&text->shown);
}

static int put(struct text_pair *text, struct slice seen, struct slice shown) {
    int error = buf_append(&text->seen, seen);

    return error < 0 ? error : buf_append(&text->shown, shown);
}

/* Blanks of its own are none between words. */
static int put_word(struct text_pair *text, const struct word *word) {
    struct slice rest = word->seen, part;
    int error = buf_append(&text->shown, word->shown);

    while (error == 0 && rest.p) {
        part = slice_cut(&rest, ' ');
        error = buf_append(&text->seen, part);
        if (error == 0 && rest.p)
            error = buf_append(&text->seen, SLICE("\xFD"));
    }
    return error;
}

static int put_words(struct text_pair *text, const struct word *words, size_t n) {
    int error = 0;

    for (size_t i = 0; i < n && error == 0; i++) {
        bool is_first = buf_is_empty(&text->shown);

        if (words[i].may_vanish && !is_first) {
            error = put(text, SLICE("\xFE"), SLICE(" "));
            if (error == 0)
                error = buf_append(&text->shown, words[i].shown);
            continue;
        }
        if (!is_first)
            error = put(text, SLICE(" "), SLICE(" "));
        if (error == 0)
            error = put_word(text, &words[i]);
    }
    return error;
}

static int put_redirections(struct text_pair *text, const struct redirection *redirections, size_t n) {
    int error = 0;

    for (size_t i = 0; i < n && error == 0; i++) {
        bool is_to = redirections[i].kind == REDIRECTION_TO;

        if (!is_to && redirections[i].kind != REDIRECTION_FROM)
            continue;
        if (!buf_is_empty(&text->shown))
            error = put(text, SLICE(" "), SLICE(" "));
        if (error == 0)
            error = is_to ? put(text, SLICE("\xFC "), SLICE("> ")) : put(text, SLICE("\xFB "), SLICE("< "));
        if (error == 0)
            error = put_word(text, &redirections[i].target);
    }
    return error;
}

static int compose(struct text_pair *text, const struct command *command) {
    int error = put_words(text, command->assignments, command->n_assignments);

    if (error == 0)
        error = put_words(text, command->words, command->n_words);
    if (error == 0 && !command->is_given)
        error = put_redirections(text, command->redirections, command->n_redirections);
    return error;
}

static bool add(struct reader *r, const struct text_pair *text, size_t at) {
    struct findings *findings = r->shell->findings;
    struct found found = {.within = r->within};

    if (findings->n == LIMIT_SHELL_COMMANDS)
        return reader_fault(r, at, "more than %d commands", LIMIT_SHELL_COMMANDS);
    found.seen = arena_copy(&findings->memory, buf_slice(&text->seen));
    found.shown = arena_copy(&findings->memory, buf_slice(&text->shown));
    findings->found = arena_grow(&findings->memory, findings->found, findings->n, sizeof(found));
    if (!found.seen.p || !found.shown.p || !findings->found) {
        findings->n = 0;
        return reader_short(r);
    }
    findings->found[findings->n++] = found;
    return true;
}

bool command_add(struct reader *r, const struct command *command) {
    _cleanup_(text_pair_done) struct text_pair text;
    int error;

    buf_init(&text.seen, LIMIT_SHELL_MEMORY);
    buf_init(&text.shown, LIMIT_SHELL_MEMORY);
    error = compose(&text, command);
    if (error < 0) {
        errno = -error;
        return reader_short(r);
    }
    return add(r, &text, command->at);
}

bool command_add_redirections(struct reader *r, const struct redirection *redirections, size_t n) {
    struct command command = {.at = r->at};

    for (size_t i = 0; i < n; i++) {
        if (redirections[i].kind != REDIRECTION_TO && redirections[i].kind != REDIRECTION_FROM)
            continue;
        command.redirections = arena_take(&r->shell->findings->memory, n * sizeof(*redirections));
        if (!command.redirections)
            return reader_short(r);
        memcpy(command.redirections, redirections, n * sizeof(*redirections));
        command.n_redirections = n;
        return command_add(r, &command);
    }
    return true;
}
