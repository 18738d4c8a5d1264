/*
 * The environment through which a command finds its leases: each credential's own `env` with its templates filled in,
 * and CREDFD, which names them all. Pure. For `credfd run` and the runner.
 */
#pragma once

#include "base/buf.h"
#include "egress/settings.h"

/*
 * Appends `NAME=VALUE` for each variable, each ended by a NUL; the first credential's lease is descriptor `first_fd`,
 * the others follow. At most LIMIT_LEASES of them. 0, -ENOBUFS (longer than execve(2) takes, or than `*to`) or -ENOMEM.
 */
int environment_add(struct buf *to, const struct credential *const *credentials, size_t n, int first_fd);
