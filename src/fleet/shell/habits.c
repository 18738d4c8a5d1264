#include "fleet/shell/habits.h"

#include "fleet/shell/grammar.h"

/* In the order of the alphabet. Commands that only have options and then a command are prefixes.c's. */
static const struct habit habits[] = {
    {SLICE("["), test_look},          {SLICE("alias"), never_look},
    {SLICE("ash"), shell_look},       {SLICE("bash"), shell_look},
    {SLICE("bind"), never_look},      {SLICE("compgen"), never_look},
    {SLICE("complete"), never_look},  {SLICE("compopt"), never_look},
    {SLICE("csh"), foreign_look},     {SLICE("dash"), shell_look},
    {SLICE("declare"), declare_look}, {SLICE("enable"), never_look},
    {SLICE("eval"), eval_look},       {SLICE("export"), declare_look},
    {SLICE("fc"), never_look},        {SLICE("find"), find_look},
    {SLICE("fish"), foreign_look},    {SLICE("getopts"), getopts_look},
    {SLICE("hash"), hash_look},       {SLICE("history"), never_look},
    {SLICE("jobs"), jobs_look},       {SLICE("ksh"), foreign_look},
    {SLICE("let"), let_look},         {SLICE("local"), declare_look},
    {SLICE("mapfile"), read_look},    {SLICE("mksh"), foreign_look},
    {SLICE("parallel"), never_look},  {SLICE("printf"), printf_look},
    {SLICE("rbash"), shell_look},     {SLICE("read"), read_look},
    {SLICE("readarray"), read_look},  {SLICE("readonly"), declare_look},
    {SLICE("runuser"), runuser_look}, {SLICE("script"), string_option_look},
    {SLICE("set"), set_look},         {SLICE("sh"), shell_look},
    {SLICE("shopt"), shopt_look},     {SLICE("su"), string_option_look},
    {SLICE("tcsh"), foreign_look},    {SLICE("test"), test_look},
    {SLICE("trap"), trap_look},       {SLICE("typeset"), declare_look},
    {SLICE("unalias"), never_look},   {SLICE("unset"), unset_look},
    {SLICE("wait"), wait_look},       {SLICE("watch"), watch_look},
    {SLICE("zsh"), foreign_look},
};

struct slice base_name(const struct word *word) {
    struct slice rest = word->seen, part = SLICE_EMPTY;

    while (rest.p)
        part = slice_cut(&rest, '/');
    return part;
}

bool has_letter(const struct word *word, char letter) {
    return word->seen.n > 1 && word->seen.p[0] == '-' && word->seen.p[1] != '-' && slice_has(word->seen, letter);
}

bool hidden(const struct reader *r, const struct word *word, const char *name) {
    return reader_fault(r, word->at, "what only the run knows decides here what %s does", name);
}

bool is_declaration(const struct word *name) {
    static const struct slice names[] = {SLICE("declare"), SLICE("typeset"), SLICE("local"), SLICE("export"),
                                         SLICE("readonly")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name->is_plain && word_is(name, names[i]))
            return true;
    }
    return false;
}

/* Nothing comes into what it prints but what it makes: errors go elsewhere. */
static bool has_plain_output(const struct command *command) {
    for (size_t i = 0; i < command->n_redirections; i++) {
        if (command->redirections[i].document ||
            !(command->redirections[i].kind == REDIRECTION_FROM || !command->redirections[i].target.is_number))
            return false;
    }
    return command->n_assignments == 0;
}

bool prints_number(const struct command *command) {
    static const struct slice pairs[][2] = {
        {SLICE("date"), SLICE("+%s")},
        {SLICE("wc"), SLICE("-l")},
        {SLICE("wc"), SLICE("-c")},
        {SLICE("wc"), SLICE("-w")},
    };
    const struct word *words = command->words;

    if (!has_plain_output(command))
        return false;
    if (command->n_words == 1 && word_is(&words[0], SLICE("nproc")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(pairs) && command->n_words == 2; i++) {
        if (word_is(&words[0], pairs[i][0]) && word_is(&words[1], pairs[i][1]))
            return true;
    }
    if (command->n_words < 2 || !word_is(&words[0], SLICE("seq")))
        return false;
    for (size_t i = 1; i < command->n_words; i++) {
        if (!words[i].is_number || !words[i].is_known)
            return false;
    }
    return true;
}

static bool set_assignments(struct reader *r, const struct command *command) {
    for (size_t i = 0; i < command->n_assignments; i++) {
        const struct word *word = &command->assignments[i];
        struct slice name = slice_first(word->seen, word->name_n);

        if (!name_set(r, name, word, command->n_words > 0, word->at))
            return false;
        if (word->is_element && !name_note(r, name, NAME_IS_ARRAY, word->at))
            return false;
    }
    return true;
}

static bool look(struct reader *r, const struct command *command) {
    struct slice name = base_name(&command->words[0]);

    for (size_t i = 0; i < ARRAY_LEN(habits); i++) {
        if (slice_equals(name, habits[i].name))
            return habits[i].look(r, command);
    }
    return prefix_look(r, command);
}

bool command_found(struct reader *r, const struct command *command) {
    if (!set_assignments(r, command))
        return false;
    if (command->n_words == 0)
        return command_add_redirections(r, command->redirections, command->n_redirections);
    if (!command->words[0].is_known)
        return reader_fault(r, command->words[0].at, "a command whose name only the run knows");
    return command_add(r, command) && look(r, command);
}

bool command_given(struct reader *r, const struct command *command, size_t first, size_t n_assignments,
                   const char *within) {
    struct arena *memory = &r->shell->findings->memory;
    struct command given = *command;
    const char *outer = r->within;

    if (first >= command->n_words)
        return true;
    if (!reader_descend(r, command->at))
        return false;
    given.is_given = true;
    given.words += first;
    given.n_words -= first;
    given.n_assignments += n_assignments;
    given.assignments = arena_take(memory, given.n_assignments * sizeof(*given.assignments));
    if (!given.assignments)
        return reader_short(r);
    if (command->n_assignments > 0)
        memcpy(given.assignments, command->assignments, command->n_assignments * sizeof(*given.assignments));
    if (n_assignments > 0)
        memcpy(given.assignments + command->n_assignments, given.words - n_assignments,
               n_assignments * sizeof(*given.assignments));
    r->within = within;
    if (!command_found(r, &given))
        return false;
    r->within = outer;
    r->depth--;
    return true;
}
