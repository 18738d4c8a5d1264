/*
 * One parameter of a query string, found and put in (WHATWG application/x-www-form-urlencoded, read with suspicion).
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

enum query_presence {
    QUERY_ABSENT,
    QUERY_ONCE,
    QUERY_AMBIGUOUS, /* more than once, or under a name that only some servers would read as this one */
};

/*
 * Looks for `name`. Ambiguous are: a second occurrence; a name that equals it only after percent-decoding, or but for
 * its letters' case; `name[`…; a `;` that, read as a separator, would reveal one; a NUL escape before, inside or behind
 * it; blanks around it; a `.` or a blank for its `_`, as PHP reads names.
 * For QUERY_ONCE, `*ret_parameter` is the `name=value` (or bare `name`) as it stands in `query`.
 */
enum query_presence query_find(struct slice query, struct slice name, struct slice *ret_parameter);
