#include "cmd/log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "egress/audit/audit_rotate.h"

const char *log_file_name(const char *path, uint64_t number, char name[static LOG_NAME_MAX]) {
    if (number == 0)
        (void)snprintf(name, LOG_NAME_MAX, "%s", path);
    else
        (void)snprintf(name, LOG_NAME_MAX, "%s.%" PRIu64, path, number);
    return name;
}

/* A device may never come to an end, and is no place where an audit can be read. */
static int open_path(const char *path) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ? fd_steal(&fd) : -ENOTSUP;
}

static int open_number(const char *path, uint64_t number) {
    int fd;

    if (number > 0)
        return audit_rotate_open(path, number);
    if (strcmp(path, "-") != 0)
        return open_path(path);
    fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

/* A file that was moved on while we opened the next stands there twice. */
static bool has(const struct log_files *files, const struct stat *st) {
    for (size_t i = 0; i < files->n; i++)
        if (files->files[i].device == st->st_dev && files->files[i].inode == st->st_ino)
            return true;
    return false;
}

/* Whether there may be ones before it. */
static bool add(struct log_files *files, int fd, uint64_t number) {
    struct stat st;

    if (fstat(fd, &st) < 0 || has(files, &st)) {
        fd_close(&fd);
        return true;
    }
    files->files[files->n++] = (struct log_file){fd, number, st.st_dev, st.st_ino};
    return S_ISREG(st.st_mode);
}

/*
 * From the newest to the oldest, the way that files move: none is missed. One may be absent for a moment, between two
 * moves; two are the end.
 */
int log_files_open(const char *path, struct log_files *ret, uint64_t *ret_number) {
    bool is_more = true;
    uint64_t absent = 0;

    ret->path = path;
    ret->n = 0;
    for (uint64_t number = 0; is_more && absent < 2 && number <= LIMIT_AUDIT_KEEP; number++) {
        int fd = open_number(path, number);

        if (fd >= 0) {
            is_more = add(ret, fd, number);
            absent = 0;
        } else if (fd == -ENOENT) {
            absent++;
        } else {
            log_files_close(ret);
            *ret_number = number;
            return fd;
        }
    }
    *ret_number = 0;
    return ret->n > 0 ? 0 : -ENOENT;
}

void log_files_close(struct log_files *files) {
    for (size_t i = 0; i < files->n; i++)
        fd_close(&files->files[i].fd);
    files->n = 0;
}
