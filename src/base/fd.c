#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

void fd_close(int *fd) {
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd); /* Linux frees the number whatever close says (close(2), NOTES) */
    *fd = -EBADF;
    errno = saved;
}

int fd_steal(int *fd) {
    int stolen = *fd;

    *fd = -EBADF;
    return stolen;
}

int fd_pair(int type, int ret_ends[2]) {
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_ends) < 0 ? -errno : 0;
}

int fd_set_cloexec(int fd, bool cloexec) {
    int flags = fcntl(fd, F_GETFD);

    if (flags < 0)
        return -errno;
    flags = cloexec ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
    return fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0;
}

int fd_reserve_standard(void) {
    for (;;) {
        /* close-on-exec: the command finds closed what it was given closed */
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (fd < 0)
            return -errno;
        if (fd > STDERR_FILENO) {
            fd_close(&fd);
            return 0;
        }
    }
}

ssize_t fd_read_all(int fd, void *buffer, size_t size) {
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, (char *)buffer + have, size - have);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int fd_write_all(int fd, const void *buffer, size_t size) {
    const char *p = buffer;

    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}
