#include "ingress/settings_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_common.h"
#include "config/settings_text.h"
#include "config/value.h"

#define MINT_RATE 6
#define MINT_RATE_MS 60000

/* Each {…} must be one that is filled in, and no brace may be left: a mistyped one would reach the command as it is. */
static int check_template(const struct node *node, struct slice text, size_t n_known, const char *mend) {
    static const struct slice known[] = {SLICE("os_user"), SLICE("name"), SLICE("recipe")};
    struct slice rest = text;

    for (;;) {
        struct slice word, before = slice_cut(&rest, '{');
        size_t i = 0;

        if (slice_has(before, '}'))
            return node_fail(node, "} ends nothing known here; use %s", mend);
        if (!rest.p)
            return 0;
        word = slice_cut(&rest, '}');
        while (i < n_known && !slice_equals(word, known[i]))
            i++;
        if (!rest.p || i == n_known)
            return node_fail(node, "{ starts nothing known here; use %s", mend);
    }
}

/* A program with a slash in its name is a file's path like the others; one without is looked for in $PATH. */
static int place_program(const struct node *node, char **program) {
    char *path = NULL;
    int r;

    if (strchr(*program, '{'))
        return node_fail(node, "must be the same program for everybody; write {os_user} in its arguments");
    if (**program != '~' && !strchr(*program, '/'))
        return 0;
    r = value_absolute_path(slice_of_string(*program), node_directory(node), &path);
    if (r == -EINVAL)
        return node_fail(node, "~ stands for no home directory here; write the program's path in full");
    if (r < 0)
        return r;
    free(*program);
    *program = path;
    return 0;
}

/* A handler of config/schema.h; `field` is a struct command_settings. */
static int read_command(const struct node *node, void *field) {
    struct command_settings *command = field;
    const struct node *item;
    size_t n;
    int r;

    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "is a list of words, since no shell reads it; write [ sudo, -n, PROGRAM, "
                               "\"{os_user}\" ]");
    r = value_strings(node, 1, LIMIT_WORDS, &command->argv, &n);
    if (r < 0)
        return r;
    item = node_first(node);
    r = place_program(item, &command->argv[0]);
    for (size_t i = 1; r == 0 && i < n; i++) {
        item = node_next(item);
        r = check_template(item, slice_of_string(command->argv[i]), 3, "{os_user}, {name} or {recipe}");
    }
    return r;
}

static int read_rate(const struct node *node, void *field) {
    struct mint_settings *mint = field;

    return value_rate(node, LIMIT_MINT_RATE, &mint->rate_count, &mint->rate_ms);
}

#define AT(member) offsetof(struct mint_settings, member)

static const struct schema_key mint_keys[] = {
    {"command", read_command, AT(command)},
    {"timeout", settings_read_timeout, AT(command.timeout_ms)},
    {"rate", read_rate},
};

int settings_read_mint(const struct node *node, void *field) {
    return schema_read(mint_keys, ARRAY_LEN(mint_keys), node, field);
}

int settings_default_mint(struct mint_settings *mint) {
    static const char *const words[] = {"sudo", "-n", "/usr/local/bin/t3-mint", "{os_user}"};

    if (mint->rate_ms == 0) {
        mint->rate_count = MINT_RATE;
        mint->rate_ms = MINT_RATE_MS;
    }
    if (mint->command.timeout_ms == 0)
        mint->command.timeout_ms = TIMEOUT_MINT;
    if (mint->command.argv)
        return 0;
    mint->command.argv = calloc(ARRAY_LEN(words) + 1, sizeof(mint->command.argv[0]));
    for (size_t i = 0; mint->command.argv && i < ARRAY_LEN(words); i++)
        if (settings_copy(slice_of_string(words[i]), &mint->command.argv[i]) < 0)
            return -ENOMEM;
    return mint->command.argv ? 0 : -ENOMEM;
}

#undef AT
#define AT(member) offsetof(struct start_settings, member)

static int read_unit(const struct node *node, void *field) {
    char **unit = field;
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (text.n > (size_t)LIMIT_NAME * 2)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME * 2);
    if (!settings_is_made_of(text, SLICE(":-_.\\@{}")) || !slice_ends_with(text, SLICE(".service")) ||
        slice_has(SLICE("-.@"), text.p[0]))
        return node_fail(node, "must name a service of systemd; write it as t3@{os_user}.service");
    r = check_template(node, text, 1, "{os_user}"); /* the name of a unit is no place for what somebody signed in as */
    return r == 0 ? settings_copy(text, unit) : r;
}

static int read_path(const struct node *node, void *field) {
    char **path = field;
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (text.n > LIMIT_PERSON || text.p[0] != '/')
        return node_fail(node,
                         "must be a path and query of the instance, from / on, of at most %d characters; write "
                         "/api/status",
                         LIMIT_PERSON);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '#')
            return node_fail(node, "has a character that no path may have; write it percent-encoded");
    return settings_copy(text, path);
}

static int read_field(const struct node *node, void *field) {
    char **name = field;
    int r = value_string(node, name);

    if (r == 0 && strlen(*name) > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    return r;
}

static const struct schema_key activity_keys[] = {
    {"path", read_path, AT(activity_path), "add path: and what is asked at the instance, as /api/status"},
    {"field", read_field, AT(activity_field), "add field: and where its JSON says idle, as status.idle"},
};

static int read_activity(const struct node *node, void *field) {
    return schema_read(activity_keys, ARRAY_LEN(activity_keys), node, field);
}

/* Of both commands. */
static int read_command_timeout(const struct node *node, void *field) {
    struct start_settings *start = field;
    int r = settings_read_timeout(node, &start->start.timeout_ms);

    start->stop.timeout_ms = start->start.timeout_ms;
    return r;
}

static const struct schema_key start_keys[] = {
    {"unit", read_unit, AT(unit)},
    {"command", read_command, AT(start)},
    {"stop", read_command, AT(stop)},
    {"timeout", read_command_timeout},
    {"wait", settings_read_timeout, AT(wait_ms)},
    {"idle", settings_read_timeout, AT(idle_ms)},
    {"activity", read_activity},
};

static int check_start(const struct node *node, const struct start_settings *start) {
    bool has_command = start->start.argv || start->stop.argv;

    if (start->unit && has_command)
        return node_fail(node, "starts instances in one way; write `unit`, or `command` and `stop`");
    if (!has_command && node_find(node, "timeout"))
        return node_fail(node_find(node, "timeout"), "goes with `command` only; remove it");
    if (start->stop.argv && !start->start.argv)
        return node_fail(node_find(node, "stop"), "goes with `command` only; add command: [ WORD, ... ]");
    if (start->idle_ms > 0 && start->start.argv && !start->stop.argv)
        return node_fail(node_find(node, "idle"), "needs a way to stop an instance; add stop: [ WORD, ... ]");
    if (start->activity_path && start->idle_ms == 0)
        return node_fail(node_find(node, "activity"), "is asked before an idle instance is stopped; add idle: 30m, or "
                                                      "remove it");
    return 0;
}

int settings_read_start(const struct node *node, void *field) {
    struct start_settings *start = field;
    int r = schema_read(start_keys, ARRAY_LEN(start_keys), node, start);

    return r < 0 ? r : check_start(node, start);
}

void command_settings_done(struct command_settings *command) {
    value_strings_free(command->argv);
}

void start_settings_done(struct start_settings *start) {
    free(start->unit);
    command_settings_done(&start->start);
    command_settings_done(&start->stop);
    free(start->activity_path);
    free(start->activity_field);
}
