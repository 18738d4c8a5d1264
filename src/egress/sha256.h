/*
 * SHA-256 of a text that is all there, by the processor's own instructions where it has them: a chain of the audit costs
 * one for each line. For keyed or secret texts it is not meant: it wipes nothing. Used by the audit alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define SHA256_SIZE 32

void sha256_digest(struct slice text, uint8_t ret[static SHA256_SIZE]);

/* The same by either way, for tests: false, and nothing is done, where this processor does not have the instructions. */
void sha256_digest_plain(struct slice text, uint8_t ret[static SHA256_SIZE]);
bool sha256_digest_fast(struct slice text, uint8_t ret[static SHA256_SIZE]);
