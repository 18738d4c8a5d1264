#include "ingress/pairing/target.h"

#include <stdlib.h>

struct recipe_kept *recipe_keep(struct recipe *recipe) {
    struct recipe_kept *kept = malloc(sizeof(*kept));

    if (!kept)
        return NULL;
    *kept = (struct recipe_kept){.refs = 1, .recipe = *recipe};
    *recipe = (struct recipe){0};
    return kept;
}

struct recipe_kept *recipe_ref(struct recipe_kept *kept) {
    kept->refs++;
    return kept;
}

void recipe_unref(struct recipe_kept *kept) {
    if (!kept || --kept->refs > 0)
        return;
    recipe_done(&kept->recipe);
    free(kept);
}

struct target *target_new(struct table *table, const struct instance *instance, struct recipe_kept *kept,
                          struct slice host, bool is_https) {
    struct target *target = host.n <= LIMIT_AUTHORITY ? calloc(1, sizeof(*target)) : NULL;

    if (!target)
        return NULL;
    target->refs = 1;
    target->table = table_ref(table);
    target->instance = *instance;
    target->kept = recipe_ref(kept);
    target->recipe = &kept->recipe;
    target->is_https = is_https;
    if (host.n > 0)
        memcpy(target->host, host.p, host.n);
    return target;
}

struct target *target_ref(struct target *target) {
    target->refs++;
    return target;
}

void target_unref(struct target *target) {
    if (!target || --target->refs > 0)
        return;
    table_unref(target->table);
    recipe_unref(target->kept);
    free(target);
}

bool target_shares(const struct target *a, const struct target *b) {
    return slice_equals(a->instance.key, b->instance.key) && a->is_https == b->is_https &&
           slice_equals_nocase(slice_of_string(a->host), slice_of_string(b->host));
}
