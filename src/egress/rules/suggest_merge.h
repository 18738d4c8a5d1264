/*
 * Makes many rules few, where it is safe: whole segments become `*`, never more than that, never `**`, and a method stays
 * what it is. Pure. suggest_write.c asks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct suggest_rule {
    struct slice method, path; /* borrowed; of those that have become wider the path is in `wide` */
    char *wide;                /* owned; NULL for a path as it was noted */
    uint64_t n;                /* requests that wanted it */
};

/* Whether so many may stand in one credential. */
bool suggest_fits(const struct suggest_rule *rules, size_t n);

/*
 * Sorts them by path and method, and takes together those that are the same. Where they do not fit then: segments that
 * look like identifiers become `*`; then those of which there are most, until they fit or nothing is left that differs in
 * one segment alone. `*n` becomes how many are left, at the front. 0 or -ENOMEM.
 */
int suggest_merge(struct suggest_rule *rules, size_t *n);

void suggest_rule_done(struct suggest_rule *rule);
