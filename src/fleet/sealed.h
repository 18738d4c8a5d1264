/*
 * Memory that came from another of our processes and that nobody can change any more: only so may its bytes be looked at
 * more than once. Used for orders and for what credfd-exec is to run. Trusts no byte of it, and not its size.
 */
#pragma once

#include "base/macros.h"
#include "base/slice.h"

/* Maps the whole of it, `max` bytes at most, for reading. 0, -EBADMSG (not sealed, empty or too large) or -errno. */
int sealed_map(int fd, size_t max, struct slice *ret);

/* Harmless on an empty slice, which it leaves behind. */
void sealed_unmap(struct slice *bytes);
#define _cleanup_sealed_ _cleanup_(sealed_unmap)
