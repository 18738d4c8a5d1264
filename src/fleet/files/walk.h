/*
 * Going through a directory of the workspace and what is below it, each directory's names in their order and what is in
 * a directory right behind it. A link is followed only when the visitor says so, and never out of the workspace; no
 * directory of a kernel's file system (/proc and its like) is entered. Bounded: LIMIT_WALK names, LIMIT_WALK_DEPTH,
 * LIMIT_WALK_NAMES bytes. What cannot be opened is passed over. The inside of fleet/files.
 */
#pragma once

#include "fleet/files/files.h"

enum walk_type { WALK_FILE, WALK_DIRECTORY, WALK_LINK, WALK_OTHER };

struct walk_entry {
    const char *path; /* relative to the workspace; valid during the visit, as the name in it */
    const char *name;
    enum walk_type type;
    int directory; /* that it lies in; borrowed */
    size_t depth;  /* 0 right below the walk's beginning */
};

enum walk_step {
    WALK_ON,   /* to the next */
    WALK_INTO, /* it, if it is a directory or leads to one */
    WALK_END,  /* enough */
};

/* A walk_step, or -errno that ends the walk. */
typedef int walk_visit(void *owner, const struct walk_entry *entry);

/*
 * `base` is as place_take left it. 0, or -errno: of the base, of the visitor, -ETIMEDOUT, -ECANCELED. `*ret_is_cut`: it
 * did not see everything, for one of its bounds.
 */
int walk_run(const struct files *files, const char *base, walk_visit *visit, void *owner, bool *ret_is_cut);
