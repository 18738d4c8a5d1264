#include "ingress/desk/recipes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "ingress/pairing/recipe_file.h"

int recipes_number(void *of, const char *name, char **ret_error) {
    struct recipes *recipes = of;
    struct recipe recipe = {0};
    int r;

    for (size_t i = 0; i < recipes->n; i++)
        if (strcmp(recipes->items[i].name, name) == 0)
            return (int)i;
    if (recipes->n == LIMIT_RECIPES) {
        if (asprintf(ret_error, "one kind of instance too many, %d at most; a restart forgets those that are not used",
                     LIMIT_RECIPES) < 0)
            *ret_error = NULL;
        return -E2BIG;
    }
    r = recipe_load(name, &recipe, ret_error);
    if (r < 0)
        return r;
    recipe.number = (uint8_t)recipes->n;
    recipes->items[recipes->n] = recipe;
    return (int)recipes->n++;
}

static void reload_one(struct recipe *recipe) {
    _cleanup_free_ char *error = NULL;
    struct recipe fresh = {0};

    if (recipe_load(recipe->name, &fresh, &error) < 0) {
        log_error("%s; what is known of that kind of instance stays", error ? error : recipe->name);
        return;
    }
    fresh.number = recipe->number;
    recipe_done(recipe);
    *recipe = fresh;
}

void recipes_reload(struct recipes *recipes) {
    for (size_t i = 0; i < recipes->n; i++)
        reload_one(&recipes->items[i]);
}

void recipes_done(struct recipes *recipes) {
    while (recipes->n > 0)
        recipe_done(&recipes->items[--recipes->n]);
}
