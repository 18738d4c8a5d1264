/*
 * What the fuzz targets share. Each of them is one function that libFuzzer calls with inputs of its own making, and
 * that replay.c calls with the corpus. It asserts what must hold for every input, not only that nothing crashes.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert, in every build. */
#define REQUIRE(condition) require((condition), #condition, __FILE__, __LINE__)

static inline void require(bool condition, const char *text, const char *file, int line) {
    if (condition)
        return;
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    abort();
}

static inline bool is_inside(struct slice part, struct slice whole) {
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}
