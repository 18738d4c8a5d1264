/*
 * The one strict reader of UTF-8 (RFC 3629): nothing overlong, no surrogate, nothing beyond U+10FFFF.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/*
 * The length, 1 to 4, of the character at the front of `text`, which is not empty, with its code point in `*ret`; 0
 * when there is none, and `*ret` is untouched.
 */
size_t utf8_next(struct slice text, uint32_t *ret);
