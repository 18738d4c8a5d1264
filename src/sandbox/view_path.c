#include "sandbox/view_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/weaken.h"
#include "sandbox/mounts.h"

bool view_path_is_in(const char *path, const char *top) {
    size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);

    return strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool view_paths_has(const struct view_paths *paths, const char *path) {
    for (size_t i = 0; i < paths->n; i++)
        if (strcmp(path, paths->paths[i]) == 0)
            return true;
    return false;
}

int view_paths_add(struct view_paths *paths, const char *path) {
    char **more;

    if (view_paths_has(paths, path))
        return 0;
    if (paths->n == LIMIT_HIDDEN)
        return -E2BIG;
    more = reallocarray(paths->paths, paths->n + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    paths->paths = more;
    paths->paths[paths->n] = strdup(path);
    return paths->paths[paths->n] ? (paths->n++, 0) : -ENOMEM;
}

void view_paths_done(struct view_paths *paths) {
    for (size_t i = 0; i < paths->n; i++)
        free(paths->paths[i]);
    free(paths->paths);
    *paths = (struct view_paths){NULL, 0};
}

static int make_parents(const char *path) {
    char part[PATH_MAX];

    for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
        if ((size_t)(end - path) >= sizeof(part))
            return -ENAMETOOLONG;
        memcpy(part, path, (size_t)(end - path));
        part[end - path] = '\0';
        /* in what is shut a directory that is there says EROFS */
        if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return -errno;
    }
    return 0;
}

int view_path_make(const char *path, bool is_directory) {
    struct stat st;
    int fd, r;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) == is_directory ? 0 : is_directory ? -ENOTDIR : -EISDIR;
    r = make_parents(path);
    if (r < 0)
        return r;
    if (is_directory)
        return mkdir(path, 0755) < 0 ? -errno : 0;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    fd_close(&fd);
    return 0;
}

int view_fail(struct view_fault *fault, int error, const char *what, const char *path) {
    fault->what = what;
    (void)snprintf(fault->path, sizeof(fault->path), "%s", path);
    return error;
}

int view_path_cover(const char *root, const char *path) {
    char full[PATH_MAX];
    struct stat st;

    if (WEAKENED(VIEW))
        return 0;
    if ((size_t)snprintf(full, sizeof(full), "%s%s", root, path) >= sizeof(full))
        return -ENAMETOOLONG;
    if (stat(full, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return mounts_cover_directory(full);
    return S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode) ? mounts_cover_file(full) : 0;
}

static int resolve(const char *path, struct view_paths *to) {
    _cleanup_free_ char *found = realpath(path, NULL);

    return found ? view_paths_add(to, found) : errno == ENOMEM ? -ENOMEM : 0;
}

int view_path_resolve(const char *const *paths, size_t n, struct view_paths *ret) {
    struct view_paths found = {NULL, 0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = resolve(paths[i], &found);
    if (r == 0)
        *ret = found;
    else
        view_paths_done(&found);
    return r;
}

static bool is_in_the_way(const char *path, const char *doors, const char *cwd) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
           ((doors && view_path_is_in(doors, path)) || view_path_is_in(cwd, path));
}

int view_path_cover_all(const char *root, const char *const *paths, size_t n, const char *doors, const char *cwd,
                        struct view_fault *fault) {
    for (size_t i = 0; i < n; i++) {
        int r;

        if (doors && view_path_is_in(paths[i], doors))
            continue;
        r = is_in_the_way(paths[i], doors, cwd) ? -EBUSY : view_path_cover(root, paths[i]);
        if (r < 0)
            return view_fail(fault, r, "cannot be covered", paths[i]);
    }
    return 0;
}

int view_path_keep_all(const char *root, const struct view_paths *paths, struct view_fault *fault) {
    for (size_t i = 0; i < paths->n; i++) {
        char full[PATH_MAX];
        int r;

        if ((size_t)snprintf(full, sizeof(full), "%s%s", root, paths->paths[i]) >= sizeof(full))
            continue;
        r = WEAKENED(VIEW) ? 0 : mounts_shut_path(full);
        if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EACCES)
            return view_fail(fault, r, "cannot be kept from changes", paths->paths[i]);
    }
    return 0;
}
