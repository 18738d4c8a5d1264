#include "base/limits.h"
#include "fleet/order.h"
#include "fuzz.h"

/* What a task may be handed: whatever comes of it looks into the bytes, and keeps to the limits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    struct order order;

    if (order_parse(in, &order) == 0) {
        REQUIRE(order.operation < OPERATION_UNKNOWN);
        REQUIRE(is_inside(order.command, in) && is_inside(order.workdir, in) && is_inside(order.path, in));
        REQUIRE(is_inside(order.content, in) && is_inside(order.pattern, in));
        REQUIRE(order.n_variables <= LIMIT_TASK_VARIABLES && order.n_globs <= LIMIT_TASK_GLOBS);
        for (size_t i = 0; i < order.n_variables; i++)
            REQUIRE(is_inside(order.variables[i].name, in) && is_inside(order.variables[i].value, in));
        for (size_t i = 0; i < order.n_globs; i++)
            REQUIRE(is_inside(order.globs[i], in));
    }
    order_done(&order);
    REQUIRE(!order.variables && !order.globs);
    return 0;
}
