/*
 * Base64 (RFC 4648): with padding (§4), as Basic authentication (RFC 7617 §2) and files in JSON have it; and in the
 * alphabet of URLs without padding (§5), which is only decoded, as tokens and keys come (RFC 7515 §2). Pure.
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

/*
 * Decodes `text` into `to`, which has room for `text.n`, or is where `text` stands. The length, or -1 for anything that
 * an encoder would not have written: another alphabet, a blank, padding that is missing or too much, bits left over.
 */
ptrdiff_t base64_decode(struct slice text, char *to);

/* As that, without padding and in the alphabet of URLs. */
ptrdiff_t base64url_decode(struct slice text, char *to);
