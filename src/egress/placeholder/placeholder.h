/*
 * Placeholders: what a program is given where it asks for a key. Each lease has its own, random in a shape that the
 * program believes in: `ghp_{alnum:36}`. It opens nothing anywhere; where it turns up, somebody took it for a key.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/slice.h"

/*
 * Whether `shape` is one: printable ASCII without blanks, quotes, backslashes and `%`, with `{alnum:N}`, `{alpha:N}`,
 * `{digit:N}`, `{hex:N}` or `{base64url:N}` in it; at least 16 random characters in all, so that it is found nowhere by
 * chance, at most LIMIT_PLACEHOLDER bytes when it is made. NULL; or, in plain words, why not.
 */
const char *placeholder_check(struct slice shape);

/* Makes one of a shape that was checked. The length; `to` is terminated by a NUL. */
size_t placeholder_make(struct slice shape, char to[static LIMIT_PLACEHOLDER + 1]);
