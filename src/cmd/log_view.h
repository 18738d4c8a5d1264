/*
 * What `credfd log` prints of the lines it reads: those that were asked for, as a table or as they stand there.
 */
#pragma once

#include "cmd/log_entry.h"
#include "cmd/log_files.h"
#include "cmd/log_lines.h"
#include "cmd/log_table.h"

struct log_view {
    struct log_filter filter;
    struct log_table table;
    bool is_raw;      /* lines as they stand there; to a terminal only what it can show */
    bool is_terminal; /* standard output is one */
};

/* Prints every line that there is now. 0 or -errno. */
int log_view_read(struct log_view *view, struct log_lines *lines);

/* The same to the end of a file that will not grow: also what stands behind its last newline. */
int log_view_read_whole(struct log_view *view, struct log_lines *lines);

/* All of them, the oldest first. */
int log_view_read_files(struct log_view *view, const struct log_files *files);
