#include "egress/audit/audit_rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"

static int name_of(const char *path, uint64_t n, char name[static PATH_MAX]) {
    int length = n == 0 ? snprintf(name, PATH_MAX, "%s", path)
                        : snprintf(name, PATH_MAX, "%s.%llu", path, (unsigned long long)n);

    return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int move(const char *path, uint64_t n) {
    char from[PATH_MAX], to[PATH_MAX];
    int r = name_of(path, n, from);

    if (r == 0)
        r = name_of(path, n + 1, to);
    if (r < 0)
        return r;
    return rename(from, to) < 0 && !(errno == ENOENT && n > 0) ? -errno : 0;
}

int audit_rotate(const char *path, uint64_t keep) {
    struct stat st;
    int r;

    if (lstat(path, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return -ELOOP;
    for (uint64_t n = keep; n-- > 0;) {
        r = move(path, n);
        if (r < 0)
            return r;
    }
    return 0;
}

int audit_rotate_open(const char *path, uint64_t n) {
    _cleanup_close_ int fd = -EBADF;
    char name[PATH_MAX];
    struct stat st;
    int r = name_of(path, n, name);

    if (r < 0)
        return r;
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? fd_steal(&fd) : -EINVAL;
}
