#include "fleet/files/place.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macros.h"
#include "fleet/beneath.h"

#define SHOWN 300 /* of a path that is refused */

int place_take(struct slice path, char to[static PATH_MAX]) {
    size_t n = 0;

    if (slice_has(path, '\0'))
        return -EINVAL;
    while (path.p && path.n > 0) {
        struct slice part = slice_cut(&path, '/');

        if (part.n == 0 || slice_equals(part, SLICE(".")))
            continue;
        if (n + 1 + part.n >= PATH_MAX)
            return -ENAMETOOLONG;
        if (n > 0)
            to[n++] = '/';
        memcpy(to + n, part.p, part.n);
        n += part.n;
    }
    if (n == 0)
        to[n++] = '.';
    to[n] = '\0';
    return 0;
}

/* A directory at the path's first `n` bytes. */
static int open_directory(int workspace, const char *path, size_t n) {
    char part[PATH_MAX] = ".";

    memcpy(part, path, n);
    part[n > 0 ? n : 1] = '\0';
    return beneath_open(workspace, part, O_PATH | O_DIRECTORY, 0);
}

static int take_name(const char *path, size_t n, char name[static NAME_MAX + 1]) {
    size_t at = n;

    while (at > 0 && path[at - 1] != '/')
        at--;
    if (n - at > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, path + at, n - at);
    name[n - at] = '\0';
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? -EISDIR : 0;
}

/* The directory that is the path's first `n` bytes, made in the one above it. */
static int make_directory(int workspace, const char *path, size_t n) {
    _cleanup_close_ int above = -EBADF;
    char name[NAME_MAX + 1];
    size_t before = n;
    int r = take_name(path, n, name);

    if (r < 0)
        return r == -EISDIR ? -ENOENT : r;
    while (before > 0 && path[before - 1] != '/')
        before--;
    above = open_directory(workspace, path, before > 0 ? before - 1 : 0);
    if (above < 0)
        return above;
    return mkdirat(above, name, S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_directories(int workspace, const char *path, size_t n) {
    int r = 0;

    for (size_t i = 1; r == 0 && i <= n; i++) {
        _cleanup_close_ int fd = -EBADF;

        if (i < n && path[i] != '/')
            continue;
        fd = open_directory(workspace, path, i);
        r = fd == -ENOENT ? make_directory(workspace, path, i) : fd < 0 ? fd : 0;
    }
    return r;
}

int place_open_parent(int workspace, const char *path, bool makes, char name[static NAME_MAX + 1]) {
    size_t n = strlen(path), above;
    int r = take_name(path, n, name), fd;

    if (r < 0)
        return r;
    above = n - strlen(name);
    above -= above > 0; /* its slash */
    fd = open_directory(workspace, path, above);
    if (fd != -ENOENT || !makes)
        return fd;
    r = make_directories(workspace, path, above);
    return r < 0 ? r : open_directory(workspace, path, above);
}

int place_pulse(const struct files *files) {
    if (clock_now_ms() >= files->deadline_ms)
        return -ETIMEDOUT;
    return files->is_cancelled && files->is_cancelled(files->owner) ? -ECANCELED : 0;
}

static const char *meaning(int r) {
    switch (r) {
    case -EXDEV:
        return "path escapes the workspace";
    case -ENOENT:
        return "no such file or directory";
    case -EACCES:
    case -EPERM:
        return "permission denied";
    case -ENOTDIR:
        return "not a directory";
    case -ELOOP:
        return "too many symbolic links";
    case -ENAMETOOLONG:
        return "path is too long";
    default:
        return NULL;
    }
}

void place_say(const char *text, struct slice path, char **ret_error) {
    struct slice shown = slice_first(path, SHOWN);

    if (asprintf(ret_error, "%s: %.*s", text, SLICE_ARG(shown)) < 0)
        *ret_error = NULL; /* what asprintf leaves there is not defined */
}

int place_fail(int r, const char *action, struct slice path, char **ret_error) {
    const char *known = meaning(r);
    char text[128];

    if (r == -ETIMEDOUT || r == -ECANCELED)
        return r;
    if (!known)
        (void)snprintf(text, sizeof(text), "cannot %s: %s", action, strerror(-r));
    place_say(known ? known : text, path, ret_error);
    return r;
}
