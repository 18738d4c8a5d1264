/*
 * The table as its file says: read at the start, when the file changes, and from time to time. A new one takes the
 * place of the old whole, or not at all: a file with a fault leaves the table that there was in force, and the log gets
 * its line once for each change.
 */
#pragma once

#include <nettle/sha2.h>

#include "ingress/table/table.h"
#include "ingress/table/table_build.h"
#include "net/file_watch.h"

struct table_keeper {
    struct table_recipes recipes; /* whose fallback is the settings' */
    const char *path;             /* borrowed */
    uint64_t look_ms;
    struct file_watch file;
    struct timer timer;
    uint8_t digest[SHA256_DIGEST_SIZE]; /* of the file as it was looked at last */
    struct table *table;                /* the one in force */
    int fd;                             /* of it, for the roles */
    char *error;                        /* what was said of the file as it is; NULL: nothing */
    /* Both are called from the loop, or from table_keeper_look. */
    void (*changed)(struct table_keeper *keeper);
    void (*failed)(struct table_keeper *keeper);
};

/* `recipes`, `path`, `look_ms` and the callbacks are set. 0, or -errno with one line in `*ret_error`, the caller's. */
int table_keeper_start(struct table_keeper *keeper, char **ret_error);

/* Another path, or other times; reads at once. */
void table_keeper_change(struct table_keeper *keeper, const char *path, uint64_t look_ms, const char *fallback);

/* Harmless when it was never started (zeroed, its descriptor -EBADF). */
void table_keeper_stop(struct table_keeper *keeper);
