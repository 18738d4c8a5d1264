/*
 * What tests of tables share: a table from a text, or the complaint about it.
 */
#pragma once

#include <errno.h>
#include <stdio.h>

#include "ingress/table/table.h"
#include "ingress/table/table_build.h"
#include "unit.h"

static inline int known_recipe(void *owner, const char *name, char **ret_error) {
    static const char *const names[] = {"none", "t3", "jupyter"};

    (void)owner;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    *ret_error = strdup("there is no profile of that name");
    return -ENOENT;
}

static const struct table_recipes known_recipes = {.number = known_recipe, .fallback = "t3"};

static inline struct table *table_of(struct slice text) {
    _cleanup_slice_ struct slice bytes = exact_copy(text);
    _cleanup_free_ char *error = NULL;
    struct table *table = NULL;
    int fd = -EBADF;

    if (table_build_bytes("f", bytes, 7, &known_recipes, &fd, &error) < 0)
        fail_msg("%s", error);
    assert_null(error);
    assert_int_equal(table_open(fd, &table), 0);
    return table;
}

static inline void table_unref_pointer(struct table **table) {
    table_unref(*table);
}
#define _cleanup_table_ _cleanup_(table_unref_pointer)
