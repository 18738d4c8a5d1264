#include "base/limits.h"
#include "fleet/shell/arithmetic.h"
#include "fleet/shell/grammar.h"
#include "fleet/shell/habits.h"
#include "fleet/shell/loops.h"

/* `[expression]=` before an element. */
static bool skip_subscript(struct reader *r) {
    size_t from = r->at++;

    if (!arithmetic_read(r, SLICE("]")))
        return false;
    r->at++;
    if (reader_peek(r, 0) == '+')
        r->at++;
    if (reader_peek(r, 0) != '=')
        return reader_fault(r, from, "an element of a list that begins with a bracket");
    r->at++;
    return true;
}

static bool read_element(struct reader *r, bool *ret_is_number) {
    struct word word;

    *ret_is_number = true;
    if (reader_peek(r, 0) == '[') {
        if (!skip_subscript(r))
            return false;
        if (is_word_end(reader_peek(r, 0)))
            return true;
    }
    if (!word_read(r, WORD_ELEMENT, &word))
        return false;
    *ret_is_number = word.is_number;
    return true;
}

/* What a list holds is not looked into again. */
static bool forget_value(struct reader *r, struct word *word) {
    char *seen = arena_take(&r->shell->findings->memory, word->seen.n + 1);

    if (!seen)
        return reader_short(r);
    memcpy(seen, word->seen.p, word->seen.n);
    seen[word->seen.n] = SEEN_ANY;
    word->seen = slice_of(seen, word->seen.n + 1);
    word->written = word->shown = reader_since(r, word->at);
    word->is_list = true;
    word->is_known = false;
    return true;
}

/* `a=(`, from the parenthesis on. */
static bool read_list_value(struct reader *r, struct word *word) {
    struct slice name = slice_first(word->written, word->name_n);
    size_t from = r->at;
    bool are_numbers = true, is_number = true;

    if (r->is_posix)
        return reader_fault(r, from, "a list is not known to every sh");
    r->at++;
    for (;; are_numbers = are_numbers && is_number) {
        if (!skip_lines(r))
            return false;
        if (reader_peek(r, 0) == ')')
            break;
        if (!read_element(r, &is_number))
            return false;
    }
    r->at++;
    if (!is_word_end(reader_peek(r, 0)))
        return reader_fault(r, from, "a list with something behind it");
    if (!forget_value(r, word) || !name_note(r, name, NAME_IS_ARRAY, word->at))
        return false;
    return are_numbers ? name_set_to_number(r, name, word->at) : name_set(r, name, NULL, false, word->at);
}

static bool add_word(struct reader *r, struct word **words, size_t *n, const struct word *word) {
    *words = arena_grow(&r->shell->findings->memory, *words, *n, sizeof(**words));
    if (!*words)
        return reader_short(r);
    (*words)[(*n)++] = *word;
    return true;
}

/* `a=(` is a list where bash expects an assignment: before a command, or behind one that declares. */
static bool read_word_or_list(struct reader *r, struct command *command) {
    bool is_first = command->n_words == 0, is_list;
    struct word word;

    if (!word_read(r, is_first ? WORD_FIRST : WORD_ARGUMENT, &word))
        return false;
    if (r->is_posix && (word.is_appended || word.is_element) && is_first)
        return reader_fault(r, word.at, "an assignment that not every sh knows");
    is_list =
        word.name_n > 0 && word.value_at == word.seen.n && r->text.p[r->at - 1] == '=' && reader_peek(r, 0) == '(';
    if (is_list && !is_first && !is_declaration(&command->words[0]))
        return reader_fault(r, r->at, "a parenthesis within a word");
    if (is_list && !read_list_value(r, &word))
        return false;
    if (is_first && word.name_n > 0 && is_list)
        command->n_lists++;
    if (is_first && word.name_n > 0)
        return is_list || add_word(r, &command->assignments, &command->n_assignments, &word);
    return add_word(r, &command->words, &command->n_words, &word);
}

static bool add_redirection(struct reader *r, struct command *command) {
    struct redirection *all =
        arena_grow(&r->shell->findings->memory, command->redirections, command->n_redirections, sizeof(*all));

    if (!all)
        return reader_short(r);
    command->redirections = all;
    return redirection_read(r, &all[command->n_redirections++]);
}

/* `name (` with nothing else before it. */
static bool begins_function(const struct command *command) {
    return command->n_words == 1 && command->words[0].is_plain && command->words[0].is_known &&
           command->n_assignments == 0 && command->n_lists == 0 && command->n_redirections == 0;
}

static bool is_at_end(const struct reader *r) {
    if (redirection_is_here(r) || reader_sees(r, SLICE("<(")) || reader_sees(r, SLICE(">(")))
        return false;
    return reader_is_at_end(r) || slice_has(SLICE("\n;&|)"), reader_peek(r, 0));
}

static bool check_end(const struct reader *r, const struct command *command) {
    if (command->n_words + command->n_assignments + command->n_redirections + command->n_lists == 0)
        return reader_fault(r, r->at, "a command is missing");
    if (command->n_words > 0 && command->n_lists > 0)
        return reader_fault(r, command->at, "a list before a command");
    return true;
}

bool simple_read(struct reader *r) {
    struct command command = {.at = r->at};

    r->last_is_number = false;
    if (++r->shell->n_commands > LIMIT_SHELL_COMMANDS)
        return reader_fault(r, r->at, "more than %d commands", LIMIT_SHELL_COMMANDS);
    for (;;) {
        bool is_good;

        if (!skip_blanks(r))
            return false;
        if (is_at_end(r))
            break;
        if (reader_peek(r, 0) == '(' && begins_function(&command))
            return function_read(r, command.words[0].seen, command.at);
        is_good = redirection_is_here(r)     ? add_redirection(r, &command)
                  : reader_peek(r, 0) == '(' ? reader_fault(r, r->at, "a parenthesis within a command")
                                             : read_word_or_list(r, &command);
        if (!is_good)
            return false;
    }
    if (!check_end(r, &command) || !command_found(r, &command))
        return false;
    r->last_is_number = prints_number(&command);
    return r->last_is_number ? name_note(r, command.words[0].seen, NAME_IS_COUNTER, command.at) : true;
}
