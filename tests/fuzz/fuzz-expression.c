/*
 * An expression for grep and, behind the first newline, a line. What is no expression is fixed text, which is found
 * where it stands; what is one, and finds a line, finds it with more around it, if it does not ask where the line
 * begins or ends.
 */
#include "fleet/files/expression.h"

#include "fuzz.h"

static bool asks_for_places(struct slice pattern) {
    for (size_t i = 0; i < pattern.n; i++)
        if (slice_has(SLICE("^$\\"), pattern.p[i]))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    struct slice pattern = slice_first(in, slice_index(in, '\n')), line = slice_from(in, pattern.n + 1);
    struct expression expression;
    bool is_found;

    if (expression_init(&expression, pattern) == 0) {
        is_found = expression_matches(&expression, line);
        if (expression.is_fixed)
            REQUIRE(expression_matches(&expression, pattern));
        else if (is_found && !asks_for_places(pattern) && !slice_has(pattern, '\xC3'))
            REQUIRE(expression_matches(&expression, slice_of(line.p - 1, line.n + 1)));
    }
    expression_done(&expression);
    return 0;
}
