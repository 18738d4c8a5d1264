/*
 * What tests of masking share: a mask of one secret, numbers that only look random, and texts that are hard to follow.
 */
#pragma once

#include "egress/mask/mask.h"
#include "unit.h"

static inline struct mask *mask_of(struct slice secret) {
    struct mask *mask = NULL;

    assert_int_equal(mask_new(&secret, 1, &mask), 0);
    return mask;
}

/* The same numbers every time. */
static inline unsigned next_random(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

/* What repeats itself, and overlaps with its own escapes: secrets are made of the first, texts of both. */
static const struct slice units[] = {SLICE("a"),      SLICE("ab"),    SLICE("%"),      SLICE("%25"),
                                     SLICE("\\"),     SLICE("&amp;"), SLICE("3"),      SLICE("41"),
                                     SLICE("%5c%5C"), SLICE("&#97;"), SLICE("s3cr3t-")};
static const struct slice pieces[] = {SLICE("a"),      SLICE("%"),       SLICE("%61"),          SLICE("%25"),
                                      SLICE("\\"),     SLICE("\\u005c"), SLICE("&amp;"),        SLICE("&"),
                                      SLICE("&#x5c;"), SLICE("%41"),     SLICE("3%33"),         SLICE("5c"),
                                      SLICE("\\u00"),  SLICE("&#97;"),   SLICE("s3cr3t-s3cr3t")};
