/*
 * Whether a deny rule takes a request. Pure; rule.c alone asks.
 *
 * An allow rule must match every reading of a path; for a deny rule one reading is enough, whichever server has it. So
 * the path is taken as it was sent and, where anything in it can be read in two ways: with its escapes undone and all
 * else left; normalised (uri_normalise_path); normalised twice, as by one server behind another; and each of these also
 * with escaped slashes for bytes that separate nothing. From all of them is dropped, too, what lax servers drop: empty
 * segments, dots and blanks that end a segment, a slash that ends the path, an escaped `?` or `#` and what follows.
 * ASCII case does not count, nor in the method, and the rule's own path counts as normalised as well as written.
 *
 * That refuses too much rather than too little: the first shows, the second does not. What no rule can know is another
 * name for the same thing, such as `/admin.json`.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "egress/settings/settings.h"

/*
 * The rule that takes it, or NULL, in `*ret_rule`. False when there are deny rules, none takes it, and nobody can say
 * what the path means. `path` has at most LIMIT_TARGET bytes.
 */
bool denial_find(const struct credential *credential, struct slice method, struct slice path,
                 const struct rule **ret_rule);
