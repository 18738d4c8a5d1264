/*
 * Reads a table's file, JSON or YAML, checks every entry, and compiles it into sealed memory (table/table.h). In the
 * supervisor alone: the file is the administrator's, no stranger's. A hundred thousand entries take well under the time
 * that anybody notices.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Where table_build looks for the number of a recipe. */
struct table_recipes {
    /* The number of the recipe of that name, or -errno with `*ret_error`, one line, the caller's. */
    int (*number)(void *owner, const char *name, char **ret_error);
    void *owner;
    const char *fallback; /* of entries that name none */
};

/*
 * 0 with `*ret_fd` a sealed descriptor, the caller's. On failure -errno and in `*ret_error` one line for a person,
 * "FILE:LINE: ENTRY: what is wrong; how to mend it", the caller's.
 */
int table_build(const char *path, uint64_t number, const struct table_recipes *recipes, int *ret_fd, char **ret_error);
