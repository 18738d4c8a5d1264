/*
 * Whether a secret is where it is said to be: looked at before anything starts, so that a person learns of
 * a slip at once and in full. Whoever reads the secret finds out for himself.
 */
#include "secrets/settings_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/settings_file.h"
#include "config/settings_text.h"

static const struct file_rule file_rule = {
    .max = LIMIT_SECRET + 1, /* with the newline at its end */
    .mend_absent = "create it, or correct the path, which starts from this file's directory (--secret: from the "
                   "current one) unless it starts with /",
    .mend_kind = "hand a pipe or a device over as `fd`",
    .mend_empty = "put the key in it",
    .mend_large = "put the key alone in it",
};

static const struct file_rule systemd_rule = {
    .max = LIMIT_SECRET + 1,
    .mend_absent = "add LoadCredential=NAME:PATH to the unit, with the name that stands here",
    .mend_kind = "name one credential, which is a file",
    .mend_empty = "put the key in it",
    .mend_large = "put the key alone in it",
};

static int check_file(const char *path, const struct file_rule *rule, char **ret_fault) {
    struct stat st;
    int r = settings_check_file(path, rule, &st, ret_fault);

    if (r < 0 || !(st.st_mode & S_IRWXO))
        return r;
    return settings_refuse(ret_fault,
                           "every user of this machine may get at the file (mode %04o); close it with chmod 600",
                           st.st_mode & 07777);
}

static int check_systemd(const char *path, char **ret_fault) {
    if (!path)
        return settings_refuse(ret_fault, "`systemd` needs $CREDENTIALS_DIRECTORY, which is not set; let a unit with "
                                          "LoadCredential= start credfd");
    return check_file(path, &systemd_rule, ret_fault);
}

static int check_env(const char *variable, char **ret_fault) {
    const char *value = getenv(variable);

    if (!value)
        return settings_refuse(ret_fault,
                               "the variable that `env` names is not set; export it before you start credfd");
    if (!*value)
        return settings_refuse(ret_fault, "the variable that `env` names is empty; put the key in it");
    return 0;
}

static int check_fd(int fd, char **ret_fault) {
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return settings_refuse(ret_fault, "the descriptor that `fd` names is not open; start credfd with it, as with "
                                          "3<FILE in a shell");
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
        return settings_refuse(ret_fault, "the descriptor that `fd` names cannot be read from; open it for reading");
    return 0;
}

static bool is_program(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && eaccess(path, X_OK) == 0;
}

/* As execvp(3) looks for it. */
static bool find_in_path(const char *name, char path[static PATH_MAX]) {
    const char *variable = getenv("PATH");
    struct slice rest = slice_of_string(variable ? variable : "/bin:/usr/bin");

    while (rest.p) {
        struct slice directory = slice_cut(&rest, ':');
        int n = snprintf(path, PATH_MAX, "%.*s%s%s", SLICE_ARG(directory), directory.n > 0 ? "/" : "", name);

        if (n > 0 && n < PATH_MAX && is_program(path))
            return true;
    }
    return false;
}

int settings_find_program(struct secret_source *secret, const char *earlier) {
    char path[PATH_MAX];
    const char *word, *found;

    if (secret->kind != SECRET_COMMAND)
        return 0;
    word = secret->argv[0];
    found = strchr(word, '/') ? word : find_in_path(word, path) ? path : NULL;
    free(secret->program);
    errno = 0;
    if (earlier && is_program(earlier))
        secret->program = strdup(earlier);
    else
        secret->program = found ? realpath(found, NULL) : NULL;
    return secret->program || errno != ENOMEM ? 0 : -ENOMEM;
}

static int check_command(const char *program, char **ret_fault) {
    bool has_slash = strchr(program, '/') != NULL;
    char path[PATH_MAX];

    if (has_slash ? is_program(program) : find_in_path(program, path))
        return 0;
    return settings_refuse(ret_fault, "the program that `command` names %s",
                           has_slash ? "cannot be executed; correct its path, or make it executable with chmod +x"
                                     : "is in no folder of $PATH; install it, or write its path");
}

static int check_source(const struct secret_source *secret, char **ret_fault) {
    switch (secret->kind) {
    case SECRET_FILE:
        return check_file(secret->path, &file_rule, ret_fault);
    case SECRET_ENV:
        return check_env(secret->variable, ret_fault);
    case SECRET_FD:
        return check_fd(secret->fd, ret_fault);
    case SECRET_COMMAND:
        return check_command(secret->argv[0], ret_fault);
    case SECRET_SYSTEMD:
        return check_systemd(secret->path, ret_fault);
    }
    return -EINVAL;
}

int settings_check_secret(const struct secret_source *secret, char **ret_error) {
    _cleanup_free_ char *fault = NULL;
    int r = check_source(secret, &fault);

    *ret_error = NULL;
    if (fault && asprintf(ret_error, "%s: %s", secret->where, fault) < 0) {
        *ret_error = NULL;
        return -ENOMEM;
    }
    return r;
}
