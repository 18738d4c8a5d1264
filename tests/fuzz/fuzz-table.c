/*
 * A table's file, JSON or YAML: either a table that every role takes, in which everybody is found, or one printable
 * line that names the file.
 */
#include <errno.h>

#include "base/macros.h"
#include "fuzz.h"
#include "ingress/table/table.h"
#include "ingress/table/table_build.h"

static int any_recipe(void *owner, const char *name, char **ret_error) {
    (void)owner;
    *ret_error = NULL;
    return (uint8_t)name[0];
}

static void require_instance(const struct table *table, const struct instance *instance) {
    REQUIRE(instance->name.n > 0 && instance->os_user.n > 0 && table_has(table, instance->name));
    REQUIRE(slice_starts_with(instance->key, instance->os_user));
    REQUIRE((instance->place == INSTANCE_UNIX) == (instance->path.n > 0));
    REQUIRE((instance->place == INSTANCE_NAME) == (instance->host.n > 0));
    REQUIRE((instance->place == INSTANCE_UNIX) == (instance->port == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct table_recipes recipes = {.number = any_recipe, .fallback = "t3"};
    _cleanup_free_ char *error = NULL;
    struct table *table = NULL;
    struct instance instance;
    int fd = -EBADF, r;

    r = table_build_bytes("f", slice_of(size > 0 ? (const void *)data : "", size), 1, &recipes, &fd, &error);
    REQUIRE((r == 0) == (error == NULL) && (r == 0) == (fd >= 0));
    REQUIRE(!error || strncmp(error, "f:", 2) == 0);
    for (const char *p = error; p && *p; p++)
        REQUIRE(*p >= 0x20 && *p <= 0x7e);
    if (r < 0)
        return 0;
    REQUIRE(table_open(fd, &table) == 0);
    for (uint32_t i = 0; table_instance(table, i, &instance); i++)
        require_instance(table, &instance);
    table_unref(table);
    return 0;
}
