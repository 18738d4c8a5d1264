/*
 * A secret that nobody needs but to compare with it: the source hands its digest over, so that no other process of ours
 * ever maps the secret. Only the source role makes one.
 */
#pragma once

#include "base/slice.h"

#define SOURCE_DIGEST 32 /* bytes of SHA-256, as they are */

/* `*ret_fd`, the caller's, is sealed memory of just those bytes, which any process may read. 0 or -errno. */
int source_digest_seal(struct slice secret, int *ret_fd);
