#include "fleet/beneath.h"

#include <errno.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/weaken.h"

#define ATTEMPTS 100 /* openat2 says EAGAIN while somebody moves directories about */

int beneath_open(int directory, const char *path, int flags, mode_t mode) {
    bool is_path = (flags & O_PATH) != 0; /* which takes no flag about reading */
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC | (is_path ? 0 : O_NOCTTY | O_NONBLOCK)),
                           .mode = (flags & O_CREAT) ? mode : 0,
                           .resolve = WEAKENED(BENEATH) ? 0 : RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = -1;

    for (int i = 0; i < ATTEMPTS; i++) {
        fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd < 0 ? -errno : (int)fd;
}

static int check_regular(int fd, struct stat *ret_stat) {
    if (fstat(fd, ret_stat) < 0)
        return -errno;
    return S_ISREG(ret_stat->st_mode) ? 0 : S_ISDIR(ret_stat->st_mode) ? -EISDIR : -EINVAL;
}

int beneath_open_regular(int directory, const char *path, int flags, struct stat *ret_stat) {
    _cleanup_close_ int place = beneath_open(directory, path, O_PATH | (flags & O_NOFOLLOW), 0), fd = -EBADF;
    struct stat st;
    int r;

    if (place < 0)
        return place;
    r = check_regular(place, &st);
    if (r < 0)
        return r;
    fd = beneath_open(directory, path, O_RDONLY | flags, 0);
    if (fd < 0)
        return fd;
    r = check_regular(fd, &st); /* it may be another by now */
    if (r < 0)
        return r;
    *ret_stat = st;
    return fd_steal(&fd);
}
