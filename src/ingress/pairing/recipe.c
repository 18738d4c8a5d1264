#include "ingress/pairing/recipe.h"

#include <stdlib.h>

void recipe_done(struct recipe *recipe) {
    free(recipe->name);
    free(recipe->cookie_field);
    for (size_t i = 0; i < recipe->n_cookies; i++)
        free(recipe->cookies[i]);
    free(recipe->session_path);
    free(recipe->session_field);
    for (size_t i = 0; i < recipe->n_exchanges; i++) {
        free(recipe->exchanges[i].method);
        free(recipe->exchanges[i].path);
        free(recipe->exchanges[i].template);
    }
    free(recipe->identity_header);
    free(recipe->health_path);
    free(recipe->websocket_path);
    free(recipe->app_head);
    free(recipe->app_manifest);
    free(recipe->app_manifest_path);
    *recipe = (struct recipe){0};
}
