#include "ingress/front/handed_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_AT_ONCE 4096

int handed_file_read(int fd, struct buf *to) {
    struct stat st;
    off_t at = 0;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL; /* a pipe would let us wait */
    for (;;) {
        size_t room;
        char *p = buf_reserve(to, READ_AT_ONCE, &room);
        ssize_t n = p ? pread(fd, p, room, at) : -1;

        if (n < 0 && errno != EINTR)
            return errno == ENOBUFS ? -EFBIG : -errno;
        if (n == 0)
            return 0;
        if (n > 0) {
            buf_commit(to, (size_t)n);
            at += n;
        }
    }
}
