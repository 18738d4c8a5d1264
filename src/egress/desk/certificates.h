/*
 * The files of certificates that credentials trust (`ca_file`), as the supervisor keeps them for its keeper: a sealed
 * copy of each, one for all that trust the same file in the same state. Takes no certificate apart.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct certificates;

/*
 * A copy of the file as it is now; `shelf` holds all that there are, NULL at first. 0 with `*ret` for
 * certificates_unref; -EINVAL, -ENOMEM or -errno.
 */
int certificates_get(struct certificates **shelf, const char *path, struct certificates **ret);

/* NULL is fine. */
void certificates_unref(struct certificates *certificates);

/* The descriptor of the copy; it stays theirs. -EBADF for NULL. */
int certificates_fd(const struct certificates *certificates);
