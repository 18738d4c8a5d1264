/*
 * The file that a command line interface's name leads to, and whether it is still the same one. Used by gate.c.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct cli_look {
    char path[PATH_MAX];
    uint64_t device, inode, size, changed_ns;
};

/*
 * `cli` is a path, or a name that is sought in `search_path` ($PATH; NULL: nowhere) as execvp(3) does. 0; -ENOENT,
 * -EACCES: nothing there that can be executed; or -errno.
 */
int cli_find(const char *cli, const char *search_path, struct cli_look *ret);

bool cli_is_same(const struct cli_look *a, const struct cli_look *b);
