/*
 * Files that a person names and does not locate: NAME.yaml in a folder of the person's own, then in one below
 * /etc/credfd, then in what came with credfd. The first of a name counts. Looks for them, and reads none. Used for
 * profiles and for recipes.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "base/slice.h"

enum { NAMED_OWN, NAMED_GLOBAL, NAMED_SHIPPED, NAMED_FOLDERS };

struct named_folders {
    char *paths[NAMED_FOLDERS]; /* NULL for one that there cannot be */
};

/*
 * Those of `kind`, as "profiles": its own and the global folder have that name, the shipped one is `shipped` below
 * `data`. 0 or -ENOMEM; either way named_folders_done frees them.
 */
int named_folders_find(struct named_folders *folders, const char *kind, const char *data, const char *shipped);
void named_folders_done(struct named_folders *folders);
#define _cleanup_named_folders_ _cleanup_(named_folders_done)

/* [a-z0-9._-], and no dot first: it neither leaves its folder nor hides in it. */
bool named_is_name(struct slice text);

/* FOLDER/NAME.yaml, the caller's. 0 or -ENOMEM. */
int named_path(const char *folder, struct slice name, char **ret);

/* The first that is there, the caller's; NULL when none is. 0 or -ENOMEM. */
int named_find(const struct named_folders *folders, const char *name, char **ret_path);
