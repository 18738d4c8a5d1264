/*
 * The kinds of instances that are in use, read once each and numbered in the order in which they were asked for: tables
 * and roles know them by that number, which stays for as long as the supervisor lives.
 */
#pragma once

#include "ingress/pairing/recipe.h"

struct recipes {
    struct recipe items[LIMIT_RECIPES];
    size_t n;
};

/*
 * Its number; it is read from its file when it is asked for the first time. -errno with one line in `*ret_error`, the
 * caller's. For struct table_recipes: `of` is a struct recipes.
 */
int recipes_number(void *of, const char *name, char **ret_error);

/* Reads each again. One that cannot be read stays as it was, and the log says why. */
void recipes_reload(struct recipes *recipes);
void recipes_done(struct recipes *recipes);
