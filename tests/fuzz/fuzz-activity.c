#include "fuzz.h"
#include "ingress/steward/activity.h"

/* What stands around it does not change what it says; a second word beside it leaves nothing clear. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    char wrapped[8192];
    int n;

    if (size > 4000 || slice_has(in, '\0'))
        return 0;
    n = snprintf(wrapped, sizeof(wrapped), "{\"rooms\":{\"active\":%.*s}}", SLICE_ARG(in));
    if (activity_is_idle(in, ""))
        REQUIRE(activity_is_idle(slice_of(wrapped, (size_t)n), "rooms.active"));
    n = snprintf(wrapped, sizeof(wrapped), "%.*s x", SLICE_ARG(in));
    REQUIRE(!activity_is_idle(slice_of(wrapped, (size_t)n), "") &&
            !activity_is_idle(slice_of(wrapped, (size_t)n), "idle"));
    return 0;
}
