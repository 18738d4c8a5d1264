/*
 * What every unit test needs: cmocka, comparisons of slices, and tables whose failing row says its name.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/slice.h"

#define assert_slice(s, text) assert_slice_is((s), (text), __FILE__, __LINE__)

static inline void assert_slice_is(struct slice s, const char *text, const char *file, int line) {
    if (slice_equals(s, slice_of_string(text)))
        return;
    print_error("\"%.*s\" is not \"%s\"\n", (int)s.n, s.p ? s.p : "", text);
    _fail(file, line);
}

/* For the rows of a table: fails with the row's name, which is enough to find it. */
#define assert_row(row, condition)                                                                                     \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("row \"%.*s\": %s", SLICE_ARG(row), #condition);                                                  \
    } while (0)

/* A copy in memory of exactly its size, so that a sanitizer or valgrind sees the first byte read beyond it. */
static inline struct slice exact_copy(struct slice s) {
    char *memory = malloc(s.n > 0 ? s.n : 1);

    assert_non_null(memory);
    if (s.n > 0)
        memcpy(memory, s.p, s.n);
    return slice_of(memory, s.n);
}

/* Frees an exact_copy. */
static inline void free_slice(struct slice *s) {
    union {
        const char *from;
        char *to;
    } p = {s->p};

    free(p.to);
}
#define _cleanup_slice_ _cleanup_(free_slice)
