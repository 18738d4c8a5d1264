#include "fleet/desk/cgroup_place.h"

#include <errno.h>

/* The line of hierarchy 0 alone has no controllers between its colons: "0::/path". A path may have colons itself. */
static struct slice own_path(struct slice self_cgroup) {
    while (self_cgroup.p) {
        struct slice line = slice_cut(&self_cgroup, '\n');

        if (slice_starts_with(line, SLICE("0::/")))
            return slice_from(line, 3);
    }
    return SLICE_EMPTY;
}

struct mount {
    struct slice root, point; /* as they are written: with escapes */
};

/* One line: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG]... - TYPE SOURCE OPTIONS (proc(5)). */
static bool parse_mount(struct slice line, struct mount *ret) {
    struct slice word = SLICE_EMPTY;

    for (unsigned i = 0; line.p && i < 3; i++)
        (void)slice_cut(&line, ' ');
    if (!line.p)
        return false;
    ret->root = slice_cut(&line, ' ');
    ret->point = line.p ? slice_cut(&line, ' ') : SLICE_EMPTY;
    while (line.p && !slice_equals(word, SLICE("-")))
        word = slice_cut(&line, ' ');
    return line.p && slice_equals(slice_cut(&line, ' '), SLICE("cgroup2"));
}

/* A blank, a tab, a newline and a backslash stand there as three octal digits behind a backslash. */
static int unescape(struct slice text, char *to, size_t size, size_t *n) {
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '\\' && text.n - i > 3) {
            c = (char)((text.p[i + 1] - '0') * 64 + (text.p[i + 2] - '0') * 8 + (text.p[i + 3] - '0'));
            i += 3;
        }
        if (*n + 1 >= size)
            return -ENAMETOOLONG;
        to[(*n)++] = c;
    }
    to[*n] = '\0';
    return 0;
}

/* What of `path` lies below `root`, which a bind mount has as its top; false when it does not. */
static bool cut_root(struct slice path, struct slice root, struct slice *ret) {
    if (root.n == 1) {
        *ret = path.n == 1 ? SLICE_EMPTY : path;
        return true;
    }
    if (!slice_starts_with(path, root) || (path.n > root.n && path.p[root.n] != '/'))
        return false;
    *ret = slice_from(path, root.n);
    return true;
}

static int join(const struct mount *mount, struct slice below, struct cgroup_place *ret) {
    size_t n = 0;
    int r = unescape(mount->point, ret->path, sizeof(ret->path), &n);

    if (r < 0)
        return r;
    if (n + below.n >= sizeof(ret->path))
        return -ENAMETOOLONG;
    memcpy(ret->path + n, below.p, below.n);
    ret->path[n + below.n] = '\0';
    ret->is_root = below.n == 0;
    return 0;
}

int cgroup_place_find(struct slice self_cgroup, struct slice mountinfo, struct cgroup_place *ret) {
    struct slice path = own_path(self_cgroup), below = SLICE_EMPTY;
    char root[PATH_MAX];

    if (path.n == 0)
        return -ENOENT;
    while (mountinfo.p) {
        struct mount mount;
        size_t n = 0;

        if (!parse_mount(slice_cut(&mountinfo, '\n'), &mount) || unescape(mount.root, root, sizeof(root), &n) < 0)
            continue;
        if (cut_root(path, slice_of(root, n), &below))
            return join(&mount, below, ret);
    }
    return -ENOENT;
}
