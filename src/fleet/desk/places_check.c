#include "fleet/desk/places_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

static const char *file_of(const struct runner_settings *settings) {
    return settings->path ? settings->path : "without a configuration";
}

int places_refuse(const struct runner_settings *settings, const char *name, const char *path, int error,
                  char **ret_error) {
    const char *mend = error == -EACCES || error == -EPERM ? "let the runner's user make it and write to it"
                                                           : "name a directory, or a place where one can be made";

    if (asprintf(ret_error, "%s: runner.%s: %s: %s; %s", file_of(settings), name, path, strerror(-error), mend) < 0)
        *ret_error = NULL;
    return error;
}

static const char *mend_user(int error) {
    return error == -ENOENT  ? "nobody is called so; name a user that getent passwd knows"
           : error == -EPERM ? "only root can run tasks as somebody else; start the runner as root, or leave user out"
           : error == -E2BIG ? "its name is too long, or it is in too many groups; name another"
                             : strerror(-error);
}

int places_find_user(const struct runner_settings *settings, struct task_user *ret, char **ret_error) {
    int r = settings->user ? task_user_find(settings->user, ret) : 0;

    if (r == 0 && settings->user && geteuid() != 0 && ret->uid != geteuid())
        r = -EPERM;
    if (r < 0 && asprintf(ret_error, "%s: runner.user: %s: %s", file_of(settings), settings->user, mend_user(r)) < 0)
        *ret_error = NULL;
    return r;
}

int places_check(const struct runner_settings *settings, char **ret_error) {
    const struct {
        const char *name, *path;
    } rows[] = {{"workspace", settings->workspace}, {"spool.directory", settings->spool}};
    struct task_user user;
    struct stat st;
    int r = places_find_user(settings, &user, ret_error);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++)
        if (stat(rows[i].path, &st) < 0 ? errno == ENOTDIR : !S_ISDIR(st.st_mode))
            r = places_refuse(settings, rows[i].name, rows[i].path, -ENOTDIR, ret_error);
    return r;
}
