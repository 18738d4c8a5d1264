#include "cmd/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "wire/http_body.h"

/*
 * What is still to be read of a regular file; false for a pipe, a terminal, and what only claims to be empty, as the
 * files of /proc do.
 */
static bool length_of(int fd, const struct stat *st, uint64_t *ret) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    char probe;

    if (!S_ISREG(st->st_mode) || at < 0)
        return false;
    if (st->st_size <= at && pread(fd, &probe, 1, at) != 0)
        return false;
    *ret = st->st_size > at ? (uint64_t)(st->st_size - at) : 0;
    return true;
}

static int file_open(const char *name, struct upload *ret) {
    _cleanup_close_ int fd = -EBADF;
    struct upload upload = {.name = name};
    struct stat st;

    if (strcmp(name, "-") == 0)
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    else
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    upload.is_chunked = !length_of(fd, &st, &upload.remaining);
    upload.is_complete = !upload.is_chunked && upload.remaining == 0;
    upload.fd = fd_steal(&fd);
    *ret = upload;
    return 0;
}

int upload_open(const char *argument, struct upload *ret) {
    struct slice text = slice_of_string(argument);

    if (argument[0] == '@')
        return file_open(argument + 1, ret);
    *ret = (struct upload){.fd = -EBADF, .remaining = text.n, .is_complete = text.n == 0, .text = text};
    return 0;
}

void upload_done(struct upload *upload) {
    fd_close(&upload->fd);
}

static int fill_from_text(struct upload *upload, struct buf *to) {
    struct slice piece = slice_first(upload->text, buf_room(to));

    upload->text = slice_from(upload->text, piece.n);
    upload->remaining = upload->text.n;
    upload->is_complete = upload->text.n == 0;
    return buf_append(to, piece);
}

static int append_chunk(struct buf *to, struct slice data, bool is_end) {
    struct slice parts[HTTP_CHUNK_PARTS];
    char line[20];

    return buf_append_rest(to, parts, http_chunk_frame(data, is_end, line, parts), 0);
}

int upload_fill(struct upload *upload, struct buf *to) {
    char piece[LIMIT_READ / 2]; /* with a chunk's line it fits `to` */
    size_t want = sizeof(piece);
    ssize_t n;

    if (upload->fd < 0)
        return fill_from_text(upload, to);
    if (!upload->is_chunked)
        want = (size_t)MIN_OF((uint64_t)want, upload->remaining);
    do
        n = read(upload->fd, piece, want);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (upload->is_chunked) {
        upload->is_complete = n == 0;
        return append_chunk(to, slice_of(piece, (size_t)n), n == 0);
    }
    if (n == 0)
        return -ENODATA;
    upload->remaining -= (uint64_t)n;
    upload->is_complete = upload->remaining == 0;
    return buf_append(to, slice_of(piece, (size_t)n));
}
