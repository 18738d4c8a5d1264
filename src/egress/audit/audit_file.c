/*
 * A file as the audit's target. Several supervisors may append to one file: lines are written under flock(2), after
 * a look whether the file is still the one of that name and still ends as we left it. The chain runs over whatever
 * stands there, whoever wrote it, and on over rotations, whoever makes them; but never over a place where what we wrote
 * was cut off.
 *
 * Under the lock of FILE one waits for that of FILE.1, and never the other way round: nobody waits for ever.
 */
#include "egress/audit/audit_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/audit/audit_chain.h"
#include "egress/audit/audit_rotate.h"

#define TRIES 100 /* the name may come to mean another file while a lock is waited for; hardly that often */

struct audit_file {
    struct audit_target target;
    int fd;
    dev_t device;
    ino_t inode;
    uint64_t rotate_bytes, keep;
    struct audit_tail tail; /* how the file ends: what the next line has to follow */
    off_t size;             /* of the file when `tail` was true; -1 when it is to be read anew */
    bool is_lost;           /* what we wrote was deleted or cut off, not moved on, and no line shows it yet */
    char path[];
};

static int lock(int fd, struct audit_patience *patience) {
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (!audit_patience_wait(patience))
            return -ENOLCK;
    }
    return 0;
}

static void unlock(int fd) {
    (void)flock(fd, LOCK_UN);
}

static void take(struct audit_file *file, int fd, const struct stat *st) {
    fd_close(&file->fd);
    file->fd = fd;
    file->device = st->st_dev;
    file->inode = st->st_ino;
    file->size = -1;
}

/* Opens what the name means now. On failure the old one stays. */
static int open_anew(struct audit_file *file) {
    _cleanup_close_ int fd = audit_path_fd(file->path);
    struct stat old, new;

    if (fd < 0)
        return fd;
    if (fstat(fd, &new) < 0 || fstat(file->fd, &old) < 0)
        return -errno;
    if (!S_ISREG(new.st_mode))
        return -ENOTSUP;
    file->is_lost = file->is_lost || old.st_nlink == 0;
    take(file, fd_steal(&fd), &new);
    return 0;
}

/* One that was moved away may yet get a line from somebody who has not noticed: so it is read under its lock. */
static int read_predecessor(const struct audit_file *file, struct audit_patience *patience, struct audit_tail *ret) {
    _cleanup_close_ int fd = audit_rotate_open(file->path, 1);
    struct stat st;
    int r;

    if (fd < 0)
        return fd;
    r = lock(fd, patience); /* until it is closed */
    if (r < 0)
        return r;
    return fstat(fd, &st) < 0 ? -errno : audit_tail_read(fd, st.st_size, ret);
}

/*
 * What the first line of a file follows: the last line of FILE.1. Where there is none, or our own file was not moved
 * there but taken away, it is the last that we wrote, so that the gap shows; where there is neither, a chain begins.
 */
static int find_beginning(const struct audit_file *file, struct audit_patience *patience, struct audit_tail *tail) {
    struct audit_tail before = {.is_empty = true};
    int r = file->is_lost ? 0 : read_predecessor(file, patience, &before);

    if (r == -ENOLCK || r == -ENOMEM)
        return r;
    memcpy(tail->hash, r == 0 && !before.is_empty ? before.hash : file->tail.hash, AUDIT_HASH);
    return 0;
}

/* Whether the last line that we know does not end any more where it ended. Others only ever add behind it. */
static int is_cut_off(const struct audit_file *file, off_t size) {
    struct audit_tail known;
    int r;

    if (size < file->size)
        return 1;
    if (file->size <= 0)
        return 0;
    r = audit_tail_read(file->fd, file->size, &known);
    return r < 0 ? r : memcmp(known.hash, file->tail.hash, AUDIT_HASH) != 0;
}

static void tell_cut(struct audit_file *file) {
    if (!file->is_lost)
        log_error("audit: %s: lines were cut off or changed behind our back; the next one does not follow what is left "
                  "there, so that `credfd log --verify` shows the place",
                  file->path);
    file->is_lost = true;
}

/*
 * Under the lock: how the file, now `size` bytes long, ends. Nothing is read when the last line is our own. What we
 * wrote and do not find there is what the next line follows, so that the gap shows.
 */
static int find_tail(struct audit_file *file, off_t size, struct audit_patience *patience) {
    struct audit_tail tail;
    int cut, r;

    if (size == file->size)
        return 0;
    cut = is_cut_off(file, size);
    if (cut < 0)
        return cut;
    if (cut)
        tell_cut(file);
    r = audit_tail_read(file->fd, size, &tail);
    if (r == 0 && cut)
        memcpy(tail.hash, file->tail.hash, AUDIT_HASH);
    else if (r == 0 && tail.is_empty)
        r = find_beginning(file, patience, &tail);
    if (r < 0)
        return r;
    file->tail = tail;
    file->size = size;
    return 0;
}

/* Each follows the one before it, the first what the file ends with. `hash` is then the last line's. */
static void chain(char *lines, size_t n, char hash[static AUDIT_HASH]) {
    for (size_t at = 0; at < n;) {
        size_t length = audit_line_length(lines + at, n - at);

        audit_line_set_prev(lines + at, hash);
        audit_hash(slice_of(lines + at, length - 1), hash);
        at += length;
    }
}

/*
 * Of lines that did not fit the whole ones stay, and nothing else; where that cannot be undone (a file with the
 * append-only attribute), the next one finds it there and begins on a new line. How much of `lines` stands in the file.
 */
static size_t keep_whole_lines(struct audit_file *file, struct slice lines, size_t before, size_t written) {
    const char *end = written > before ? memrchr(lines.p, '\n', written - before) : NULL;
    size_t whole = end ? (size_t)(end - lines.p) + 1 : 0;
    bool is_undone = ftruncate(file->fd, file->size + (off_t)(whole > 0 ? before + whole : 0)) == 0;

    if (whole > 0 || !is_undone)
        file->size = -1;
    return whole;
}

/* Under the lock, at the end of the file. How much of `lines` was written, or -errno. */
static ssize_t append(struct audit_file *file, char *lines, size_t n) {
    struct iovec parts[] = {{(char[]){'\n'}, file->tail.is_cut}, {lines, n}};
    size_t before = parts[0].iov_len;
    char hash[AUDIT_HASH];
    ssize_t written;
    int r;

    memcpy(hash, file->tail.hash, AUDIT_HASH);
    chain(lines, n, hash);
    do
        written = writev(file->fd, parts, ARRAY_LEN(parts));
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)(before + n)) {
        memcpy(file->tail.hash, hash, AUDIT_HASH);
        file->tail.is_cut = file->tail.is_empty = file->is_lost = false;
        file->size += written;
        return (ssize_t)n;
    }
    r = written < 0 ? -errno : -ENOSPC;
    audit_forget_signal(-r);
    n = written > 0 ? keep_whole_lines(file, slice_of(lines, n), before, (size_t)written) : 0;
    return n > 0 ? (ssize_t)n : r;
}

/* As many of the lines as fit before the file is to be rotated; the first in any case. */
static size_t fitting(const struct audit_file *file, off_t size, const char *lines, size_t n) {
    size_t length = audit_line_length(lines, n);

    if (file->rotate_bytes == 0)
        return n;
    while (length < n) {
        size_t more = length + audit_line_length(lines + length, n - length);

        if ((uint64_t)size + more > file->rotate_bytes)
            break;
        length = more;
    }
    return length;
}

/* The line goes into the file as it is if that cannot be moved: what is too large is better than what is not written. */
static bool rotate(struct audit_file *file) {
    int r = audit_rotate(file->path, file->keep);

    if (r == 0)
        return true;
    log_warning("audit: %s: cannot be rotated: %s; it grows on until the next reload", file->path, strerror(-r));
    file->rotate_bytes = 0;
    return false;
}

/* Under the lock. -ESTALE: the name means another file now. The end is looked at before it may be moved away. */
static ssize_t append_if_current(struct audit_file *file, char *lines, size_t n, struct audit_patience *patience) {
    size_t first = audit_line_length(lines, n);
    struct stat st;
    int r;

    if (stat(file->path, &st) < 0 || st.st_ino != file->inode || st.st_dev != file->device)
        return -ESTALE;
    r = find_tail(file, st.st_size, patience);
    if (r < 0)
        return r;
    if (file->rotate_bytes > 0 && st.st_size > 0 && (uint64_t)st.st_size + first > file->rotate_bytes && rotate(file))
        return -ESTALE;
    return append(file, lines, fitting(file, st.st_size, lines, n));
}

static ssize_t lock_and_append(struct audit_file *file, char *lines, size_t n, struct audit_patience *patience) {
    ssize_t r = lock(file->fd, patience);

    if (r < 0)
        return r;
    r = append_if_current(file, lines, n, patience);
    unlock(file->fd);
    return r;
}

static ssize_t file_write(struct audit_target *target, char *lines, size_t n, bool may_wait) {
    struct audit_file *file = container_of(target, struct audit_file, target);
    struct audit_patience patience = audit_patience_begin(may_wait);
    ssize_t r = lock_and_append(file, lines, n, &patience);

    for (int tries = 1; r == -ESTALE && tries < TRIES; tries++) {
        r = open_anew(file);
        if (r == 0)
            r = lock_and_append(file, lines, n, &patience);
    }
    return r;
}

static void file_free(struct audit_target *target) {
    struct audit_file *file = container_of(target, struct audit_file, target);

    fd_close(&file->fd);
    free(file);
}

static const struct audit_target_kind file_kind = {.write = file_write, .free = file_free};

int audit_file_new(const char *path, int fd, uint64_t rotate_bytes, uint64_t keep, struct audit_target **ret) {
    _cleanup_close_ int owned = fd;
    struct audit_file *file;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    file = malloc(sizeof(*file) + strlen(path) + 1);
    if (!file)
        return -ENOMEM;
    *file = (struct audit_file){.target = {&file_kind, file->path}, .fd = -EBADF, .rotate_bytes = rotate_bytes};
    file->keep = MAX_OF(keep, (uint64_t)1);
    take(file, fd_steal(&owned), &st);
    memcpy(file->tail.hash, audit_chain_start, AUDIT_HASH);
    memcpy(file->path, path, strlen(path) + 1);
    *ret = &file->target;
    return 0;
}

void audit_file_follow(struct audit_target *target, struct audit_target *before) {
    struct audit_file *file = container_of(target, struct audit_file, target);
    const struct audit_file *old = container_of(before, struct audit_file, target);
    struct stat st;

    if (target->kind != &file_kind || before->kind != &file_kind || strcmp(target->name, before->name) != 0)
        return;
    file->tail = old->tail;
    if (file->device == old->device && file->inode == old->inode)
        file->size = old->size;
    file->is_lost = old->is_lost || (fstat(old->fd, &st) == 0 && st.st_nlink == 0);
}
