/*
 * The audit as a table for people: a row a line, as wide as the terminal, in colour where that is one. Whatever a line
 * holds, only printable ASCII and our own colours are printed. Used by `credfd log`.
 */
#pragma once

#include "cmd/log_entry.h"

enum log_column {
    COLUMN_TIME,
    COLUMN_LEASE,
    COLUMN_IDENTITY,
    COLUMN_PID,
    COLUMN_PROGRAM,
    COLUMN_METHOD,
    COLUMN_PATH,
    COLUMN_STATUS,
    COLUMN_BYTES,
    COLUMN_MS,
    COLUMN_RULE,
    COLUMNS
};

struct log_table {
    size_t widths[COLUMNS]; /* 0 for a column that is left out */
    size_t width;           /* of the terminal; 0 for none: then nothing is cut off */
    bool is_coloured;
    bool has_begun; /* the titles stand there */
};

/* `width` as above; below some twenty it is taken as that. */
void log_table_init(struct log_table *table, size_t width, bool is_coloured);

/* Prints the line on standard output: `entry` as it was read from `line`. */
void log_table_print(struct log_table *table, const struct log_entry *entry, struct slice line);

/* Prints at most `max` columns of `text` in printable ASCII, the last a "~" where some was cut off. How many. */
size_t log_print_text(struct slice text, size_t max);
