/*
 * The keys that a mapping may have, as a table beside the structure that they fill: one row a key, one handler a row.
 * The walk refuses what the table does not know and misses what it requires, so a handler sees only its own value.
 */
#pragma once

#include <stddef.h>

#include "config/document.h"

struct schema_key {
    const char *name;
    int (*read)(const struct node *value, void *field); /* 0, or -errno, after node_fail unless memory is out */
    size_t at;                                          /* offsetof the field in the structure */
    const char *required; /* NULL for a key that may be left out; else what to write when it was: "add ..." */
};

/*
 * Gives each value of `mapping` to its handler, with the field of `structure` that its row names, in the order of the
 * file; then looks for what is required. Stops at the first fault: -errno, and the complaint is the document's.
 * `mapping` need not be one: that is refused here too.
 */
int schema_read(const struct schema_key *keys, size_t n_keys, const struct node *mapping, void *structure);

/* The name of the row that `text` was most likely meant to be: a letter or two away. NULL when none is near. */
const char *schema_nearest(const struct schema_key *keys, size_t n_keys, struct slice text);
