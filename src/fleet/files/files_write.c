#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "fleet/beneath.h"
#include "fleet/files/operations.h"
#include "fleet/files/place.h"
#include "fleet/json_write.h"

#define LINKS 8          /* one behind the other, at the path's end */
#define MODE_OF_NEW 0644 /* less the umask */
#define PIECE (1024 * 1024)

/* The file that is to be written: its directory, and its name there. */
struct target {
    int directory;
    char name[NAME_MAX + 1];
    mode_t mode; /* of the one that is there; 0: there is none */
};

/* `path` with what the link at its end says instead of its last part. */
static int follow(const struct target *target, char path[static PATH_MAX]) {
    char to[PATH_MAX];
    size_t above = strlen(path) - strlen(target->name);
    ssize_t n = readlinkat(target->directory, target->name, to, sizeof(to));

    if (n < 0)
        return -errno;
    if (n > 0 && to[0] == '/')
        return -EXDEV;
    if ((size_t)n >= PATH_MAX - above)
        return -ENAMETOOLONG;
    memcpy(path + above, to, (size_t)n);
    path[above + (size_t)n] = '\0';
    return 0;
}

/* 1 when `path` has been changed to what the link there says. */
static int look(struct target *target, char path[static PATH_MAX]) {
    struct stat st;
    int r;

    if (fstatat(target->directory, target->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISLNK(st.st_mode)) {
        r = follow(target, path);
        return r < 0 ? r : 1;
    }
    target->mode = st.st_mode;
    return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

/* Links at the end are followed by hand: what is written goes where they lead, and not into their place. */
static int find_target(int workspace, char path[static PATH_MAX], struct target *ret) {
    int r = 1;

    for (int i = 0; r == 1 && i < LINKS; i++) {
        fd_close(&ret->directory);
        ret->directory = place_open_parent(workspace, path, true, ret->name);
        if (ret->directory < 0)
            return ret->directory;
        r = look(ret, path);
    }
    return r == 1 ? -ELOOP : r;
}

static int write_content(const struct files *files, int fd, struct slice content) {
    int r = 0;

    for (; r == 0 && content.n > 0; content = slice_from(content, PIECE)) {
        struct slice piece = slice_first(content, PIECE);

        r = fd_write_all(fd, piece.p, piece.n);
        if (r == 0)
            r = place_pulse(files);
    }
    return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* Beside it, and then in its place: whoever reads meanwhile has the old one or the new one, whole. */
static int replace(const struct files *files, const struct target *target, struct slice content) {
    _cleanup_close_ int fd = -EBADF;
    char aside[sizeof(".credfd-.new") + 16];
    uint64_t number;
    int r;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return -EIO;
    (void)snprintf(aside, sizeof(aside), ".credfd-%016llx.new", (unsigned long long)number);
    fd = beneath_open(target->directory, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, MODE_OF_NEW);
    if (fd < 0)
        return fd;
    r = target->mode && fchmod(fd, target->mode & ACCESSPERMS) < 0 ? -errno : 0;
    if (r == 0)
        r = write_content(files, fd, content);
    if (r == 0 && renameat(target->directory, aside, target->directory, target->name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(target->directory, aside, 0);
    return r;
}

int operation_write(const struct files *files, const struct order *order, struct buf *result, char **ret_error) {
    struct json_write w = json_write_begin(result);
    struct target target = {.directory = -EBADF};
    char path[PATH_MAX];
    int r = place_take(order->path, path);

    if (r == 0)
        r = find_target(files->workspace, path, &target);
    if (r == 0)
        r = replace(files, &target, order->content);
    fd_close(&target.directory);
    if (r == -EISDIR || r == -EINVAL)
        place_say(r == -EISDIR ? "cannot write a directory" : "not a regular file", order->path, ret_error);
    else if (r < 0)
        return place_fail(r, "write", order->path, ret_error);
    if (r < 0)
        return r;
    json_write_open(&w, '{');
    json_write_bool_member(&w, SLICE("success"), true);
    json_write_close(&w, '}');
    return w.error;
}
