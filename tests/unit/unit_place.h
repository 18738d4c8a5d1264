/*
 * For tests of files: a directory of their own, which goes with everything in it, and what stands in its files.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit_fd.h"

/* Its path; a test has one at a time. */
static char place_path[64];

/* Opened; the caller's. */
static inline int place_begin(void) {
    int fd;

    (void)snprintf(place_path, sizeof(place_path), "/tmp/credfd-test-XXXXXX");
    assert_non_null(mkdtemp(place_path));
    fd = open(place_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline int place_remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void place_end(int fd) {
    (void)close(fd);
    assert_int_equal(nftw(place_path, place_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A file with that in it; the directories above it are there. */
static inline void place_write(int place, const char *name, struct slice content) {
    int fd = openat(place, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, content.p, content.n), 0);
    (void)close(fd);
}

static inline void place_mkdir(int place, const char *name) {
    assert_int_equal(mkdirat(place, name, 0755), 0);
}

/* What stands in it, cut at the end of `to`, and ended by a NUL; -1 when it is not there. */
static inline ssize_t place_read(int place, const char *name, char *to, size_t size) {
    int fd = openat(place, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : fd_read_all(fd, to, size - 1);

    to[n > 0 ? n : 0] = '\0';
    (void)close(fd);
    return n;
}

static inline bool place_has(int place, const char *name) {
    return faccessat(place, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
