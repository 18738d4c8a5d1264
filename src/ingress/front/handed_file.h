/*
 * A file that the supervisor has opened and handed over, because a role opens none: read as a whole, bounded, from its
 * beginning wherever others have read it to. Used by the verifier and by the doorman.
 */
#pragma once

#include "base/buf.h"

/* Appends it to `to`, whose cap bounds it. 0, -EINVAL (no plain file), -EFBIG, -ENOMEM or -errno. */
int handed_file_read(int fd, struct buf *to);
