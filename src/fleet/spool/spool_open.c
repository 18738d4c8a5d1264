#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/num.h"
#include "fleet/spool/spool_result.h"
#include "fleet/spool/spool_scan.h"

#define SHARED (S_IRWXU | S_IRWXG)

/* Returns `r`, with a complaint. */
static int _printf_(3, 4) fail(int r, char **ret_error, const char *format, ...) {
    va_list args;

    va_start(args, format);
    if (vasprintf(ret_error, format, args) < 0)
        *ret_error = NULL; /* what vasprintf leaves there is not defined */
    va_end(args);
    return r;
}

/* With the directories above it, of which each is as closed. */
static int make_directories(const char *path) {
    _cleanup_free_ char *part = strdup(path);

    if (!part)
        return -ENOMEM;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, S_IRWXU) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(path, S_IRWXU) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_directory(const char *path, char **ret_error) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    int r = 0;

    if (fd < 0 && errno == ENOENT) {
        r = make_directories(path);
        fd = r < 0 ? -EBADF : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (r < 0)
        return fail(r, ret_error, "%s: cannot be made: %s", path, strerror(-r));
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(-errno, ret_error, "%s: cannot be opened: %s", path, strerror(errno));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return fail(-EPERM, ret_error, "%s: belongs to another user; choose a directory of the runner's own", path);
    if ((st.st_mode & 07777) == SHARED && st.st_uid == geteuid() && fchmod(fd, S_IRWXU) == 0)
        return fd_steal(&fd); /* a runner with `user:` made it so, which says so again where it still is one */
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return fail(-EPERM, ret_error, "%s: others can write to it (mode %04o); close it with chmod 700", path,
                    st.st_mode & 07777);
    return fd_steal(&fd);
}

static int refuse_second(const char *path, int lock, char **ret_error) {
    char text[NUM_DIGITS];
    ssize_t n = fd_read_all(lock, text, sizeof(text));
    uint64_t pid;

    if (n <= 0 || num_parse(slice_of(text, (size_t)n), INT32_MAX, &pid) < 0)
        return fail(-EBUSY, ret_error, "%s: another runner uses it", path);
    return fail(-EBUSY, ret_error, "%s: another runner uses it (pid %d)", path, (int)pid);
}

/* Held as long as this process lives. A name with a dot in front is no task's. */
static int lock_directory(const char *path, int directory, char **ret_error) {
    _cleanup_close_ int lock =
        openat(directory, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
    char digits[NUM_DIGITS];
    struct slice pid = num_format((uint64_t)getpid(), digits);
    int r;

    if (lock < 0)
        return fail(-errno, ret_error, "%s/.lock: cannot be opened: %s", path, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return refuse_second(path, lock, ret_error);
    r = ftruncate(lock, 0) < 0 ? -errno : fd_write_all(lock, pid.p, pid.n);
    if (r < 0)
        return fail(r, ret_error, "%s/.lock: cannot be written: %s", path, strerror(-r));
    return fd_steal(&lock);
}

static int open_all(struct spool *spool, const char *path, char **ret_error) {
    int r;

    spool->directory = open_directory(path, ret_error);
    if (spool->directory < 0)
        return spool->directory;
    spool->lock = lock_directory(path, spool->directory, ret_error);
    if (spool->lock < 0)
        return spool->lock;
    r = spool_scan(spool);
    if (r == -E2BIG)
        return fail(r, ret_error, "%s: there are more than %d files in it; move away what is no runner's", path,
                    LIMIT_SPOOL_FILES);
    if (r < 0)
        return fail(r, ret_error, "%s: cannot be read: %s", path, strerror(-r));
    return 0;
}

int spool_open(const char *path, uint64_t max_bytes, struct spool **ret, char **ret_error) {
    struct spool *spool = calloc(1, sizeof(*spool));
    int r;

    if (!spool)
        return fail(-ENOMEM, ret_error, "%s: no memory", path);
    spool->directory = spool->lock = -EBADF;
    spool->max_bytes = max_bytes;
    r = open_all(spool, path, ret_error);
    if (r < 0) {
        spool_close(spool);
        return r;
    }
    (void)spool_retry(spool);
    *ret = spool;
    return 0;
}

void spool_close(struct spool *spool) {
    if (!spool)
        return;
    for (size_t i = 0; i < ARRAY_LEN(spool->lists); i++)
        while (spool->lists[i].first)
            spool_task_set_state(spool, spool->lists[i].first, SPOOL_UNKNOWN, 0);
    name_index_done(&spool->index);
    fd_close(&spool->directory);
    fd_close(&spool->lock);
    free(spool);
}
