/*
 * What an instance says about itself at its activity URL: whether it is idle. Pure: JSON in, yes or no out. Anything
 * that is not a clear yes is a no.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/*
 * `field` is a member of the JSON in `body`, dotted ("rooms.active"); empty for the whole of it. It is idle when that is
 * true, 0 or "idle".
 */
bool activity_is_idle(struct slice body, const char *field);
