/*
 * The lines of one file, for grep: read in pieces, each line bounded by LIMIT_GREP_LINE (the rest of a longer one is
 * passed over), nothing at all of a file with a NUL near its beginning. The inside of fleet/files.
 */
#pragma once

#include "fleet/files/files.h"

struct grep_lines {
    char *memory; /* GREP_MEMORY, the caller's; used for one file after the other */
    int fd;
    size_t start, end;                /* what was read and not taken yet */
    uint64_t number;                  /* of the last line that was taken, from 1 on */
    bool is_in_rest;                  /* of a line whose beginning was taken */
    bool is_at_end, is_begun, is_cut; /* the last: something was passed over */
};

#define GREP_MEMORY (2 * LIMIT_GREP_LINE)

/* `fd` is borrowed. */
void grep_lines_begin(struct grep_lines *lines, int fd);

/*
 * 1 with the next line, without its end, valid until the next call; 0 when there is none (or the file is binary, or
 * cannot be read); -ETIMEDOUT or -ECANCELED.
 */
int grep_lines_next(struct grep_lines *lines, const struct files *files, struct slice *ret);
