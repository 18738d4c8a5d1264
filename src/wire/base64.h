/*
 * Base64 with padding (RFC 4648 §4), as Basic authentication wants it (RFC 7617 §2). Pure, and encoding alone: nothing
 * here reads what a stranger has encoded.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

/* How long `n` bytes become. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/*
 * Encodes `bytes` into `to`, which has room for BASE64_LENGTH(bytes.n), and returns that. `bytes` may be the last ones
 * of that very room: then nothing of them is left.
 */
size_t base64_encode(struct slice bytes, char *to);
