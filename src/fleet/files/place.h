/*
 * Where in the workspace something is, of a path that the hub named: what every operation on files begins with. The
 * inside of fleet/files; its files alone use it.
 */
#pragma once

#include <limits.h>

#include "fleet/files/files.h"

/*
 * `path` as the workspace knows it: without a slash in front (there the workspace is meant), empty parts and dots; "."
 * for itself. A `..` stays, for the kernel to judge. 0, -EINVAL (a NUL in it) or -ENAMETOOLONG.
 */
int place_take(struct slice path, char to[static PATH_MAX]);

/*
 * The directory in which the last part of `path` lies, O_PATH, with that part in `name`. `makes`: the ones that are not
 * there are made (0755). -EISDIR where the last part can only be a directory; or -errno.
 */
int place_open_parent(int workspace, const char *path, bool makes, char name[static NAME_MAX + 1]);

/* 0, -ETIMEDOUT or -ECANCELED: to be asked again and again. */
int place_pulse(const struct files *files);

/*
 * Returns `r`, with what it means for `path` in `*ret_error`. `action` is what failed if it is nothing known: "read".
 */
int place_fail(int r, const char *action, struct slice path, char **ret_error);

/* `text: PATH` in `*ret_error`. */
void place_say(const char *text, struct slice path, char **ret_error);
