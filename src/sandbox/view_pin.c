#include "sandbox/view_pin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "base/weaken.h"
#include "sandbox/mounts.h"
#include "sandbox/view_path.h"

#define LINKS_MAX 40 /* path_resolution(7) */

struct way {
    char at[PATH_MAX];   /* where it has come to: no link in it; "" is the root */
    char rest[PATH_MAX]; /* where it still goes */
    int links;
    struct view_paths *steps;
};

static void go_up(struct way *way) {
    char *slash = strrchr(way->at, '/');

    if (slash)
        *slash = '\0';
}

/* The way goes on where the link says, which is `at` now. */
static int follow(struct way *way, struct slice rest) {
    char to[PATH_MAX], joined[PATH_MAX];
    ssize_t n = readlink(way->at, to, sizeof(to) - 1);

    if (n < 0)
        return -errno;
    to[n] = '\0';
    if (++way->links > LINKS_MAX)
        return -ELOOP;
    if ((size_t)snprintf(joined, sizeof(joined), "%s/%.*s", to, SLICE_ARG(rest)) >= sizeof(joined))
        return -ENAMETOOLONG;
    memcpy(way->rest, joined, sizeof(joined));
    if (to[0] == '/')
        way->at[0] = '\0';
    else
        go_up(way);
    return 0;
}

static int step(struct way *way, struct slice name, struct slice rest) {
    size_t length = strlen(way->at);
    struct stat st;
    int r;

    if ((size_t)snprintf(way->at + length, sizeof(way->at) - length, "/%.*s", SLICE_ARG(name)) >=
        sizeof(way->at) - length)
        return -ENAMETOOLONG;
    if (lstat(way->at, &st) < 0)
        return -errno;
    r = S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode) ? view_paths_add(way->steps, way->at) : 0;
    if (r < 0 || S_ISLNK(st.st_mode))
        return r < 0 ? r : follow(way, rest);
    memmove(way->rest, rest.p ? rest.p : "", rest.p ? rest.n + 1 : 1);
    return 0;
}

static int walk(struct way *way) {
    int r = 0;

    while (r == 0 && way->rest[0] != '\0') {
        struct slice rest = slice_of_string(way->rest), name = slice_cut(&rest, '/');

        if (name.n == 0 || slice_equals(name, SLICE(".")) || slice_equals(name, SLICE(".."))) {
            if (name.n == 2)
                go_up(way);
            memmove(way->rest, rest.p ? rest.p : "", rest.p ? rest.n + 1 : 1);
        } else {
            r = step(way, name, rest);
        }
    }
    return r;
}

int view_pin_find(const char *path, struct view_paths *steps) {
    struct way way = {.steps = steps};
    char cwd[PATH_MAX] = "";
    int r;

    if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
        return -errno;
    if ((size_t)snprintf(way.rest, sizeof(way.rest), "%s/%s", cwd, path) >= sizeof(way.rest))
        return -ENAMETOOLONG;
    r = walk(&way);
    return r == -ENOMEM || r == -E2BIG ? r : 0;
}

/* Whether this user, by whatever means, could rename or remove it. Root's own directories are nobody else's to move. */
static bool is_movable(const char *path) {
    char parent[PATH_MAX];
    struct stat st;
    char *slash;

    (void)snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    if (!slash)
        return false;
    slash[slash == parent] = '\0';
    if (faccessat(AT_FDCWD, parent, W_OK, AT_EACCESS) == 0)
        return true;
    return errno == EACCES && stat(parent, &st) == 0 && st.st_uid == geteuid();
}

static bool is_mount(const char *path) {
    struct statx seen;

    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &seen) == 0 &&
           (seen.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int pin(const char *path) {
    struct stat st;
    int tree, r;

    if (lstat(path, &st) < 0 || is_mount(path) || !is_movable(path))
        return 0;
    r = mounts_take_itself(path, &tree);
    return r == 0 ? mounts_put_on(&tree, path) : r;
}

int view_pin_all(const char *root, const struct view_paths *steps, struct view_fault *fault) {
    for (size_t i = 0; i < steps->n && !WEAKENED(VIEW); i++) {
        char full[PATH_MAX];
        int r;

        if ((size_t)snprintf(full, sizeof(full), "%s%s", root, steps->paths[i]) >= sizeof(full))
            continue;
        r = pin(full);
        if (r < 0)
            return view_fail(fault, r, "cannot be kept in its place", steps->paths[i]);
    }
    return 0;
}
