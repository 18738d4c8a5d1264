/*
 * The one reader of points in time that come from outside: RFC 3339 §5.6, nothing looser. Knows no clock.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

#define TIMESTAMP_MAX_S 253402300799 /* the last second of the year 9999, the last that RFC 3339 can write */

/*
 * "2030-01-31T12:00:00Z", with a fraction or an offset where it has one. Milliseconds since 1970, a finer fraction cut
 * off. 0, or -EINVAL: not of that form, no such day or time of day, or before 1970. `*ret_unix_ms` is untouched then.
 */
int timestamp_parse(struct slice text, uint64_t *ret_unix_ms);
