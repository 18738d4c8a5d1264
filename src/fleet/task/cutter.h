/*
 * What a command prints, cut into whole characters: UTF-8 comes out as it is, wherever it was cut, and each byte that is
 * none becomes U+FFFD. A character whose rest has not come yet waits for it. Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define CUTTER_CHARACTER 4 /* bytes of the longest */

struct cutter {
    char held[CUTTER_CHARACTER]; /* the beginning of a character */
    char whole[CUTTER_CHARACTER];
    size_t n_held;
};

/*
 * The next piece of text in what was held and `*rest`, which is taken away from there; empty when all was taken or, but at
 * the end, held. Valid until the cutter is called again, or what `*rest` looks into is gone.
 */
struct slice cutter_next(struct cutter *cutter, struct slice *rest, bool is_end);

/* How many characters there are in such a piece. */
size_t cutter_count(struct slice text);

/* The first `max` bytes of such a text, or a few less: whole characters. */
struct slice cutter_first(struct slice text, size_t max);
