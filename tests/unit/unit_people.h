/*
 * A table of a test's own making, for what only asks it who there is: the functions of ingress/table/table.h, over rows.
 * Row i has the key "account PLACE-i t3" with the name of that row. References are counted, so that a test sees one that was lost.
 */
#pragma once

#include <stdio.h>

#include "ingress/table/table.h"
#include "unit.h"

#define TABLE_ROWS 20

struct table {
    const char *names[TABLE_ROWS];
    uint64_t number;
    int references;
};

static char table_keys[TABLE_ROWS][32];

struct table *table_ref(struct table *table) {
    table->references++;
    return table;
}

void table_unref(struct table *table) {
    if (table)
        table->references--;
}

uint64_t table_number(const struct table *table) {
    return table->number;
}

uint32_t table_count(const struct table *table) {
    uint32_t n = 0;

    while (n < TABLE_ROWS && table->names[n])
        n++;
    return n;
}

uint32_t table_names(const struct table *table) {
    return table_count(table);
}

bool table_instance(const struct table *table, uint32_t number, struct instance *ret) {
    int n;

    if (number >= table_count(table))
        return false;
    n = snprintf(table_keys[number], sizeof(table_keys[number]), "account PLACE-%u t3", number);
    *ret = (struct instance){.number = number,
                             .key = slice_of(table_keys[number], (size_t)n),
                             .name = slice_of_string(table->names[number]),
                             .os_user = SLICE("account")};
    return true;
}

bool table_find(const struct table *table, struct slice name, struct slice host, struct slice path,
                struct instance *ret) {
    (void)host;
    (void)path;
    for (uint32_t i = 0; i < table_count(table); i++)
        if (slice_equals(slice_of_string(table->names[i]), name))
            return table_instance(table, i, ret);
    return false;
}

/* Without a single row everybody is in it. */
bool table_has(const struct table *table, struct slice name) {
    struct instance instance;

    return table_count(table) == 0 || table_find(table, name, SLICE_EMPTY, SLICE_EMPTY, &instance);
}
