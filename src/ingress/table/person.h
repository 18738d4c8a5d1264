/*
 * What a person's name may be, in the table and in what a front says: printable ASCII, at most LIMIT_PERSON of it, no
 * blank at its ends, no @ (a domain was cut off) and no comma (that would be a list). Names are compared byte by byte.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/slice.h"

static inline bool person_is_name(struct slice text) {
    if (text.n == 0 || text.n > LIMIT_PERSON || text.p[0] == ' ' || text.p[text.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] > 0x7e || text.p[i] == '@' || text.p[i] == ',')
            return false;
    return true;
}
