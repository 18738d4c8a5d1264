#include "egress/number_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define ROWS_LEAST 16

struct number_row {
    void *thing; /* NULL: the row is free */
    uint32_t number;
};

/* Numbers come one after the other; spread, a row's neighbours are free wherever some of them stay. */
static size_t home_of(const struct number_table *table, uint32_t number) {
    return (number * UINT32_C(0x9e3779b1) ^ number >> 15) & (table->n_rows - 1);
}

static size_t row_after(const struct number_table *table, size_t row) {
    return (row + 1) & (table->n_rows - 1);
}

/* The row with the number, or the free one where it would stand. There is always one that is free. */
static size_t row_of(const struct number_table *table, uint32_t number) {
    size_t row = home_of(table, number);

    while (table->rows[row].thing && table->rows[row].number != number)
        row = row_after(table, row);
    return row;
}

static int resize(struct number_table *table, size_t n_rows) {
    struct number_table fresh = {.n_rows = n_rows, .n = table->n, .next = table->next};

    fresh.rows = calloc(n_rows, sizeof(*fresh.rows));
    if (!fresh.rows)
        return -ENOMEM;
    for (size_t i = 0; i < table->n_rows; i++)
        if (table->rows[i].thing)
            fresh.rows[row_of(&fresh, table->rows[i].number)] = table->rows[i];
    free(table->rows);
    *table = fresh;
    return 0;
}

/* No more than half of the rows are in use, and, but for the least, no less than an eighth. */
static int make_room(struct number_table *table) {
    if (table->n_rows == 0)
        return resize(table, ROWS_LEAST);
    return 2 * (table->n + 1) > table->n_rows ? resize(table, 2 * table->n_rows) : 0;
}

static void give_room_back(struct number_table *table) {
    if (table->n_rows > ROWS_LEAST && 8 * table->n < table->n_rows)
        (void)resize(table, table->n_rows / 2); /* without memory it stays as large as it is */
}

int number_table_put(struct number_table *table, uint32_t number, void *thing) {
    int r = make_room(table);
    size_t row;

    if (r < 0)
        return r;
    row = row_of(table, number);
    if (table->rows[row].thing)
        return -EEXIST;
    table->rows[row] = (struct number_row){.thing = thing, .number = number};
    table->n++;
    return 0;
}

int number_table_give(struct number_table *table, void *thing, uint32_t *ret) {
    int r;

    if (table->n > UINT32_MAX)
        return -ENOSPC;
    do
        r = number_table_put(table, table->next++, thing);
    while (r == -EEXIST);
    if (r == 0)
        *ret = table->next - 1;
    return r;
}

void *number_table_find(const struct number_table *table, uint32_t number) {
    return table->n_rows > 0 ? table->rows[row_of(table, number)].thing : NULL;
}

/* Whether what stands in `row` may move to `gap`: its home must not lie behind it. Rows go round. */
static bool may_move(const struct number_table *table, size_t row, size_t gap) {
    size_t home = home_of(table, table->rows[row].number), mask = table->n_rows - 1;

    return ((row - home) & mask) >= ((row - gap) & mask);
}

/* The row is free, and whoever stands behind it only because it was not moves up. */
static void close_gap(struct number_table *table, size_t gap) {
    table->rows[gap].thing = NULL;
    for (size_t row = row_after(table, gap); table->rows[row].thing; row = row_after(table, row))
        if (may_move(table, row, gap)) {
            table->rows[gap] = table->rows[row];
            table->rows[row].thing = NULL;
            gap = row;
        }
}

void number_table_remove(struct number_table *table, uint32_t number) {
    size_t row = table->n_rows > 0 ? row_of(table, number) : 0;

    if (table->n_rows == 0 || !table->rows[row].thing)
        return;
    close_gap(table, row);
    table->n--;
    give_room_back(table);
}

void *number_table_each(const struct number_table *table, size_t *at) {
    while (*at < table->n_rows) {
        void *thing = table->rows[(*at)++].thing;

        if (thing)
            return thing;
    }
    return NULL;
}

void number_table_done(struct number_table *table) {
    free(table->rows);
    *table = (struct number_table){0};
}
