/*
 * A line of the audit as `credfd log` sees it: an object of anybody's making, in which everything may be missing or of
 * another type. And the question which lines somebody wants to see.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct log_entry {
    json_t *object;   /* owned; NULL for what is no line of the audit */
    uint64_t unix_ms; /* 0 when there is no time in it */
};

/* `line` is without its newline. Free it with log_entry_done. */
struct log_entry log_entry_read(struct slice line);
void log_entry_done(struct log_entry *entry);

/* Valid until log_entry_done; empty where there is no such text. */
struct slice log_entry_text(const struct log_entry *entry, const char *key);

/* 0 where there is no such number, or a negative one. */
uint64_t log_entry_number(const struct log_entry *entry, const char *key);

struct log_filter {
    const char *lease; /* a credential's name or a lease's id; NULL for every one */
    uint64_t since_ms; /* of Unix time; 0 for the beginning */
    bool is_denied;    /* only what was refused */
};

bool log_filter_admits(const struct log_filter *filter, const struct log_entry *entry);
