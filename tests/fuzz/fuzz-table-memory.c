/*
 * A table as a role is handed it: memory that anything may stand in. It is refused, or whatever is asked of it is
 * answered out of that memory.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "fuzz.h"
#include "ingress/table/table.h"

/* Reads each byte of it, so that a sanitizer or the kernel objects. */
static unsigned touch(struct slice text) {
    unsigned sum = 0;

    for (size_t i = 0; i < text.n; i++)
        sum += (unsigned char)text.p[i];
    return sum;
}

static void touch_instance(const struct instance *instance) {
    unsigned sum = touch(instance->key) + touch(instance->name) + touch(instance->os_user) + touch(instance->path) +
                   touch(instance->host) + touch(instance->unit) + touch(instance->prefix);

    REQUIRE(sum < UINT32_MAX); /* what was read must be used */
    REQUIRE(instance->place != INSTANCE_UNIX || strlen(instance->path.p) == instance->path.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct table *table = NULL;
    struct instance instance;

    REQUIRE(fd >= 0 && fd_write_all(fd, data, size) == 0);
    REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
    if (table_open(fd, &table) < 0) {
        REQUIRE(!table);
        return 0;
    }
    for (uint32_t i = 0; table_instance(table, i, &instance); i++) {
        touch_instance(&instance);
        (void)table_has(table, instance.name);
    }
    for (const char *name = "a"; *name; name = *name == 'a' ? "b" : "")
        if (table_find(table, slice_of_string(name), SLICE("h"), SLICE("/p/x"), &instance))
            touch_instance(&instance);
    table_unref(table);
    return 0;
}
