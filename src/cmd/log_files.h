/*
 * The files of one audit: FILE and the ones that it was before its rotations, opened all at once so that a rotation in
 * between moves none of them away or in front of us twice. Used by `credfd log`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"

struct log_file {
    int fd;
    uint64_t number; /* n of FILE.n; 0 is FILE itself */
    dev_t device;
    ino_t inode;
};

struct log_files {
    const char *path;                            /* borrowed; "-" is standard input */
    struct log_file files[LIMIT_AUDIT_KEEP + 1]; /* the newest first */
    size_t n;
};

/*
 * 0 with one at least, or -errno with the number of the one that could not be opened in `*ret_number`. What is no
 * regular file has none before it.
 */
int log_files_open(const char *path, struct log_files *ret, uint64_t *ret_number);
void log_files_close(struct log_files *files);

/* "FILE" or "FILE.n", for people; `name` has room for LOG_NAME_MAX bytes, of which the path may not need all. */
#define LOG_NAME_MAX 4128
const char *log_file_name(const char *path, uint64_t number, char name[static LOG_NAME_MAX]);
