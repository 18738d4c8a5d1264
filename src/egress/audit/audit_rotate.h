/*
 * The names under which an audit file lives on: FILE.1 is the one before FILE, FILE.2 the one before that. Used by the
 * audit, which moves them, and by `credfd log`, which reads them.
 */
#pragma once

#include <stdint.h>

/*
 * Moves FILE to FILE.1, that to FILE.2, and so on; what was FILE.`keep` is no more. The caller holds FILE's lock. 0 or
 * -errno: -ELOOP when `path` is a link, whose name is somebody else's to move. Nothing is lost by a failure.
 */
int audit_rotate(const char *path, uint64_t keep);

/* Opens FILE.`n`, or FILE for 0, for reading. The descriptor, or -errno; -EINVAL for what is no regular file. */
int audit_rotate_open(const char *path, uint64_t n);
