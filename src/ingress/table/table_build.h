/*
 * Reads a table's file, JSON or YAML, checks every entry, and compiles it into sealed memory (table/table.h). In the
 * supervisor alone: the file is the administrator's, no stranger's. A hundred thousand entries take well under the time
 * that anybody notices.
 *
 * A file whose first byte is `{` is JSON, any other is YAML; both hold the same:
 *
 *     NAME: { os_user: USER, port: 1-65535 }                      # on 127.0.0.1
 *     NAME: { os_user: USER, host: ADDRESS or NAME, port: PORT }
 *     NAME: { os_user: USER, unix: /PATH,
 *             start: UNIT, profile: RECIPE, names: [ NAME, ... ], at: HOST, /PREFIX or HOST/PREFIX }
 *     NAME: [ { ..., at: ... }, { ..., at: ... } ]                # several instances, by host and path
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

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

/* As table_build, of bytes that the caller has read; `path` is what complaints call them. */
int table_build_bytes(const char *path, struct slice bytes, uint64_t number, const struct table_recipes *recipes,
                      int *ret_fd, char **ret_error);
