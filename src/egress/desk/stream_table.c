#include "egress/desk/stream_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"

/* An id is a row's number and a serial number, so that a late word about a stream never hits its row's next one. */
static uint64_t make_id(struct stream_table *table, uint32_t row) {
    return (uint64_t)++table->serial << 32 | row;
}

static bool grow(struct stream_table *table) {
    uint32_t n = MAX_OF(table->n_rows * 2, 16U);
    struct stream_entry **rows = realloc(table->rows, n * sizeof(*rows));
    uint32_t *spare;

    if (!rows)
        return false;
    table->rows = rows;
    spare = realloc(table->spare, n * sizeof(*spare));
    if (!spare)
        return false;
    table->spare = spare;
    for (uint32_t i = table->n_rows; i < n; i++)
        rows[i] = NULL;
    for (uint32_t row = n; row > table->n_rows; row--)
        spare[n - row] = row - 1; /* none is spare before: the first of the new ones is to be taken first */
    table->n_rows = n;
    return true;
}

struct stream_entry *stream_table_add(struct stream_table *table, struct holder *holder, const char *identity,
                                      uint32_t door) {
    struct stream_entry *entry;
    uint32_t row;

    if (table->n_used == table->n_rows && !grow(table))
        return NULL;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    row = table->spare[table->n_rows - table->n_used - 1];
    entry->id = make_id(table, row);
    entry->holder = holder;
    entry->door = door;
    (void)snprintf(entry->identity, sizeof(entry->identity), "%s", identity);
    table->rows[row] = entry;
    table->n_used++;
    return entry;
}

struct stream_entry *stream_table_find(const struct stream_table *table, uint64_t id) {
    uint32_t row = (uint32_t)id;

    return row < table->n_rows && table->rows[row] && table->rows[row]->id == id ? table->rows[row] : NULL;
}

static void entry_free(struct stream_table *table, struct stream_entry *entry) {
    if (table->on_free)
        table->on_free(entry);
    free(entry->pending);
    free(entry);
}

static void free_when_done(struct stream_table *table, struct stream_entry *entry) {
    uint32_t row = (uint32_t)entry->id;

    if (!entry->is_keeper_done || !entry->is_relay_done)
        return;
    entry_free(table, entry);
    table->rows[row] = NULL;
    table->n_used--;
    table->spare[table->n_rows - table->n_used - 1] = row;
}

void stream_table_keeper_done(struct stream_table *table, struct stream_entry *entry) {
    entry->is_keeper_done = true;
    free_when_done(table, entry);
}

void stream_table_relay_done(struct stream_table *table, struct stream_entry *entry) {
    entry->is_relay_done = true;
    free_when_done(table, entry);
}

struct stream_entry *stream_table_next_pending(const struct stream_table *table, uint32_t *row) {
    while (*row < table->n_rows) {
        struct stream_entry *entry = table->rows[(*row)++];

        if (entry && entry->pending)
            return entry;
    }
    return NULL;
}

void stream_table_side_gone(struct stream_table *table, struct holder *holder) {
    for (uint32_t row = 0; row < table->n_rows; row++) {
        if (!table->rows[row])
            continue;
        if (!holder) {
            stream_table_keeper_done(table, table->rows[row]);
        } else if (table->rows[row]->holder == holder) {
            table->rows[row]->holder = NULL;
            stream_table_relay_done(table, table->rows[row]);
        }
    }
}

void stream_table_done(struct stream_table *table) {
    for (uint32_t row = 0; row < table->n_rows; row++)
        if (table->rows[row])
            entry_free(table, table->rows[row]);
    free(table->rows);
    free(table->spare);
    *table = (struct stream_table){0};
}
