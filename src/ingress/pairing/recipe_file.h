/*
 * Where recipes lie: $XDG_CONFIG_HOME/credfd/instances/NAME.yaml, /etc/credfd/instances, then those that came with
 * credfd. The first of a name counts. In the supervisor, in `dispatch check` and in `check`.
 */
#pragma once

#include "base/slice.h"
#include "ingress/pairing/recipe.h"

/*
 * 0 with `*ret` the caller's (recipe_done), its number left 0. -ENOENT, -EINVAL ... with one line for a person in
 * `*ret_error`, the caller's.
 */
int recipe_load(const char *name, struct recipe *ret, char **ret_error);

/* The file alone, or bytes of one: `path` is what complaints call it. As recipe_load. */
int recipe_read(const char *path, const char *name, struct recipe *ret, char **ret_error);
int recipe_parse(const char *path, const char *name, struct slice bytes, struct recipe *ret, char **ret_error);
