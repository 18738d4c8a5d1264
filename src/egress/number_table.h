/*
 * Things by numbers that two processes know them by: who gives them out keeps one, and who is told them keeps one. A
 * number that was taken out comes again after all 2^32 others only: by then nobody can mean the old thing any more. It
 * grows and shrinks with what is in it. Owns no thing. Used by the broker and by the keeper.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct number_row;

/* All zero is an empty one. */
struct number_table {
    struct number_row *rows; /* a power of two of them, or none */
    size_t n_rows, n;
    uint32_t next; /* to be given out */
};

/* Puts the thing in under a number of its own. 0, or -ENOMEM (or with every number taken, -ENOSPC). */
int number_table_give(struct number_table *table, void *thing, uint32_t *ret);

/* Puts it in under a number that another process has given. 0, -EEXIST or -ENOMEM. */
int number_table_put(struct number_table *table, uint32_t number, void *thing);

/* NULL when there is none. */
void *number_table_find(const struct number_table *table, uint32_t number);

/* Harmless when there is none. */
void number_table_remove(struct number_table *table, uint32_t number);

/* Each thing in turn, in no order; NULL after the last. `*at` starts at 0. None is put in or removed meanwhile. */
void *number_table_each(const struct number_table *table, size_t *at);

/* Gives its memory back. The things were taken out before, or are not looked for any more. */
void number_table_done(struct number_table *table);
