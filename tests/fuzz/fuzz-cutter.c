#include "base/macros.h"
#include "base/utf8.h"
#include "fleet/task/cutter.h"
#include "fuzz.h"

/* The first byte of an input says how often it is cut; the rest is what a command prints. */

#define LIMIT 1000

static size_t cut(struct slice text, size_t step, char to[static 3 * LIMIT]) {
    struct cutter cutter = {0};
    size_t n = 0;

    for (size_t at = 0; at <= text.n; at += step) {
        struct slice rest = slice_first(slice_from(text, at), step), piece;

        while ((piece = cutter_next(&cutter, &rest, at + step > text.n)).n > 0) {
            memcpy(to + n, piece.p, piece.n);
            n += piece.n;
        }
        REQUIRE(rest.n == 0);
    }
    REQUIRE(cutter.n_held == 0);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char whole[3 * LIMIT], cut_up[3 * LIMIT];
    struct slice text, rest;
    size_t characters = 0;
    uint32_t code;

    if (size < 1 || size > LIMIT)
        return 0;
    text = slice_of(data + 1, size - 1);
    rest = slice_of(whole, cut(text, LIMIT + 1, whole));
    REQUIRE(cut(text, (size_t)data[0] + 1, cut_up) == rest.n && memcmp(whole, cut_up, rest.n) == 0);
    for (struct slice left = rest; left.n > 0; characters++) {
        size_t n = utf8_next(left, &code);

        REQUIRE(n > 0);
        left = slice_from(left, n);
    }
    REQUIRE(cutter_count(rest) == characters);
    REQUIRE(cutter_first(rest, rest.n / 2).n <= rest.n / 2);
    return 0;
}
