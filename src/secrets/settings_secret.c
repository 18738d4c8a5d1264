#include "secrets/settings_secret.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "config/schema.h"
#include "config/settings_text.h"
#include "config/value.h"

static int set_file(struct secret_source *secret, struct slice value, const char *directory, const char **ret_fault) {
    *ret_fault = "~ stands for no home directory here; write the path in full";
    return value_absolute_path(value, directory, &secret->path);
}

static int set_env(struct secret_source *secret, struct slice value, const char **ret_fault) {
    *ret_fault =
        "`env` takes a variable's name, never the key itself; write letters, digits and `_`, and no digit first";
    return settings_is_variable(value) ? settings_copy(value, &secret->variable) : -EINVAL;
}

static int set_fd(struct secret_source *secret, struct slice value, const char **ret_fault) {
    uint64_t number = 0;

    *ret_fault = "`fd` takes a descriptor's number; write it in decimal digits";
    if (num_parse(value, INT_MAX, &number) < 0)
        return -EINVAL;
    *ret_fault = "`fd` 0, 1 and 2 are standard input, output and error; use 3 or above";
    if (number <= STDERR_FILENO)
        return -EINVAL;
    secret->fd = (int)number;
    return 0;
}

/* Without the directory there is no path, and that is no fault here: `credfd check` is not run by the unit. */
static int set_systemd(struct secret_source *secret, struct slice value, const char **ret_fault) {
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    *ret_fault = "`systemd` takes the name that LoadCredential= gives, and no path; write it alone";
    if (value.n == 0 || value.n > NAME_MAX || value.p[0] == '.' || slice_has(value, '/'))
        return -EINVAL;
    return directory && directory[0] == '/' ? value_absolute_path(value, directory, &secret->path) : 0;
}

/* A program with a slash in its name is a path like the others; one without is looked for in $PATH. */
static int set_argv(struct secret_source *secret, char **argv, const char *directory, const char **ret_fault) {
    char *path = NULL;
    int r;

    secret->argv = argv;
    if (secret->timeout_ms == 0)
        secret->timeout_ms = TIMEOUT_COMMAND;
    if (argv[0][0] != '~' && !strchr(argv[0], '/'))
        return 0;
    *ret_fault = "~ stands for no home directory here; write the program's path in full";
    r = value_absolute_path(slice_of_string(argv[0]), directory, &path);
    if (r < 0)
        return r;
    free(argv[0]);
    argv[0] = path;
    return 0;
}

static int set_words(struct secret_source *secret, struct slice value, const char *directory, const char **ret_fault) {
    char **argv = calloc(LIMIT_WORDS + 1, sizeof(*argv));
    size_t n = 0;
    int r = 0;

    if (!argv)
        return -ENOMEM;
    secret->argv = argv;
    *ret_fault = "too many words; put them into a script";
    while (r == 0 && value.p) {
        struct slice word = slice_cut(&value, ' ');

        if (word.n > 0)
            r = n == LIMIT_WORDS ? -EINVAL : settings_copy(word, &argv[n++]);
    }
    if (r < 0)
        return r;
    *ret_fault = "`command` takes a program and its arguments; write at least the program";
    return n == 0 ? -EINVAL : set_argv(secret, argv, directory, ret_fault);
}

int secret_source_set(struct secret_source *secret, enum secret_kind kind, struct slice value, const char *directory,
                      const char **ret_fault) {
    secret->kind = kind;
    secret->fd = -EBADF;
    switch (kind) {
    case SECRET_FILE:
        return set_file(secret, value, directory, ret_fault);
    case SECRET_ENV:
        return set_env(secret, value, ret_fault);
    case SECRET_FD:
        return set_fd(secret, value, ret_fault);
    case SECRET_SYSTEMD:
        return set_systemd(secret, value, ret_fault);
    case SECRET_COMMAND:
        return set_words(secret, value, directory, ret_fault);
    }
    return -EINVAL;
}

/* What the word in front of the colon says. */
static bool find_kind(struct slice word, enum secret_kind *ret) {
    static const struct slice words[] = {
        [SECRET_FILE] = {"file", 4},       [SECRET_ENV] = {"env", 3},         [SECRET_FD] = {"fd", 2},
        [SECRET_COMMAND] = {"command", 7}, [SECRET_SYSTEMD] = {"systemd", 7},
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equals(word, words[i])) {
            *ret = (enum secret_kind)i;
            return true;
        }
    return false;
}

/* Neither half is shown: who forgets KIND has written the key itself, and it may hold a colon. */
int secret_source_parse(struct secret_source *secret, const char *where, const char *text, char **ret_error) {
    struct slice value = slice_of_string(text), word = slice_cut(&value, ':');
    _cleanup_free_ char *here = NULL;
    const char *fault = NULL;
    enum secret_kind kind;
    int r = settings_copy(slice_of_string(where), &secret->where);

    if (r < 0)
        return r;
    if (!value.p || value.n == 0 || !find_kind(word, &kind))
        return settings_refuse(ret_error,
                               "%s: must say where the key is, never the key itself; write file:PATH, env:NAME, "
                               "fd:NUMBER, systemd:NAME or \"command:PROGRAM ARGUMENT ...\"",
                               where);
    here = get_current_dir_name();
    if (!here)
        return errno == ENOMEM ? -ENOMEM
                               : settings_refuse(ret_error, "the current folder cannot be found: %s; go to another",
                                                 strerror(errno));
    r = secret_source_set(secret, kind, value, here, &fault);
    return r == -EINVAL ? settings_refuse(ret_error, "%s: %s", where, fault) : r;
}

static int read_as(const struct node *node, struct secret_source *secret, enum secret_kind kind) {
    struct slice value = SLICE_EMPTY;
    const char *fault = NULL;
    int r = value_text(node, &value);

    if (r < 0)
        return r;
    r = secret_source_set(secret, kind, value, node_directory(node), &fault);
    return r == -EINVAL ? node_fail(node, "%s", fault) : r;
}

static int read_file(const struct node *node, void *field) {
    return read_as(node, field, SECRET_FILE);
}

static int read_env(const struct node *node, void *field) {
    return read_as(node, field, SECRET_ENV);
}

static int read_fd(const struct node *node, void *field) {
    return read_as(node, field, SECRET_FD);
}

static int read_systemd(const struct node *node, void *field) {
    return read_as(node, field, SECRET_SYSTEMD);
}

static int read_command(const struct node *node, void *field) {
    struct secret_source *secret = field;
    const char *fault = NULL;
    char **argv = NULL;
    size_t n;
    int r;

    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "`command` is a list of words, since no shell reads it; write [ pass, show, NAME ]");
    r = value_strings(node, 1, LIMIT_WORDS, &argv, &n);
    if (r < 0)
        return r;
    secret->kind = SECRET_COMMAND;
    r = set_argv(secret, argv, node_directory(node), &fault);
    return r == -EINVAL ? node_fail(node, "%s", fault) : r;
}

static int read_wait(const struct node *node, void *field) {
    return value_duration(node, TIMEOUT_MAX, field);
}

#define AT(member) offsetof(struct secret_source, member)

static const struct schema_key secret_keys[] = {
    {"file", read_file},
    {"env", read_env},
    {"fd", read_fd},
    {"command", read_command},
    {"systemd", read_systemd},
    {"timeout", read_wait, AT(timeout_ms)},
    {"refresh", read_wait, AT(refresh_ms)},
};

/* How many of the places it names. */
static size_t count_places(const struct node *node) {
    static const char *const places[] = {"file", "env", "fd", "command", "systemd"};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        n += node_find(node, places[i]) ? 1 : 0;
    return n;
}

int settings_read_secret(const struct node *node, void *field) {
    static const char one[] = "must say one place; write exactly one of file, env, fd, command and systemd";
    struct secret_source *secret = field;
    int r = node_where(node, &secret->where);

    if (r < 0)
        return r;
    secret->fd = -EBADF;
    if (node_kind(node) != NODE_MAPPING)
        return node_fail(node, "must say where the key is, never the key itself; write { file: PATH }, { env: NAME }, "
                               "{ fd: NUMBER }, { command: [ WORD, ... ] } or { systemd: NAME }");
    if (count_places(node) > 1)
        return node_fail(node, "%s", one);
    r = schema_read(secret_keys, ARRAY_LEN(secret_keys), node, secret);
    if (r < 0)
        return r;
    if (count_places(node) == 0)
        return node_fail(node, "%s", one);
    if (secret->kind != SECRET_COMMAND && node_count(node) > 1)
        return node_fail(node, "`timeout` and `refresh` go with `command` only; remove them");
    return 0;
}

void secret_source_done(struct secret_source *secret) {
    free(secret->path);
    free(secret->variable);
    value_strings_free(secret->argv);
    free(secret->program);
    free(secret->where);
    *secret = (struct secret_source){.fd = -EBADF};
}
