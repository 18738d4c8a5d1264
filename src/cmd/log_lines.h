/*
 * The lines of a file as they come, read in constant memory whatever its size; at the end more may come later. Used by
 * `credfd log`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct log_lines {
    int fd; /* borrowed */
    char *memory;
    size_t start, end;
    uint64_t n_read;  /* bytes, from where it was begun */
    bool is_skipping; /* in a line longer than any of ours */
};

enum log_step {
    LOG_END,  /* no whole line is left now */
    LOG_LINE, /* one, without its newline; valid until the next call */
    LOG_LONG, /* one of more than LIMIT_AUDIT_LINE bytes; its bytes are not given */
};

/* 0 or -ENOMEM. */
int log_lines_init(struct log_lines *lines, int fd);
void log_lines_done(struct log_lines *lines);

/* An enum log_step, or -errno. */
int log_lines_next(struct log_lines *lines, struct slice *ret);

/* What stands behind the last newline, after LOG_END. */
struct slice log_lines_rest(const struct log_lines *lines);

/* The same file from its beginning, or another. */
void log_lines_restart(struct log_lines *lines, int fd);
