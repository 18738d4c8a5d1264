/*
 * Which instance a question is about, as whom, and by which recipe: what every step of looking and pairing is given.
 * Counted, because a step outlives the table and the recipes that were there when it began. Asks nobody anything.
 */
#pragma once

#include "ingress/pairing/recipe.h"
#include "ingress/table/table.h"

/* A recipe and how many hold it. */
struct recipe_kept {
    unsigned refs;
    struct recipe recipe;
};

/* Takes the recipe over (`*recipe` is empty then). NULL without memory, and nothing was taken. */
struct recipe_kept *recipe_keep(struct recipe *recipe);
struct recipe_kept *recipe_ref(struct recipe_kept *kept);
void recipe_unref(struct recipe_kept *kept); /* NULL is fine */

struct target {
    unsigned refs;
    struct table *table; /* that `instance` looks into */
    struct instance instance;
    struct recipe_kept *kept;
    const struct recipe *recipe;
    char host[LIMIT_AUTHORITY + 1]; /* as the browser sent it; empty where it sent none */
    bool is_https;                  /* as the browser sees it */
};

/* References to the table and the recipe are taken. NULL without memory, or for a host that is too long. */
struct target *target_new(struct table *table, const struct instance *instance, struct recipe_kept *kept,
                          struct slice host, bool is_https);
struct target *target_ref(struct target *target);
void target_unref(struct target *target); /* NULL is fine */

/* Whether cookies of one are cookies of the other: the same instance, asked under the same name. */
bool target_shares(const struct target *a, const struct target *b);
