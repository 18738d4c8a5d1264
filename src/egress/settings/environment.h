/*
 * The environment through which a command finds its leases: each credential's own `env` with its templates filled in,
 * and CREDFD, which names them all. Pure. For `credfd run` and the runner.
 */
#pragma once

#include "base/buf.h"
#include "egress/desk/doors.h"
#include "egress/settings/settings.h"

/* One lease, as its command is to find it. */
struct environment_lease {
    const struct credential *credential;
    const struct lease_doors *doors; /* its own; NULL for none: then its templates name none */
    const char *placeholder;         /* "" for none, likewise */
};

/*
 * Whether `word` is one that is filled in between braces: fd, name, upstream, host, base_url, socket, placeholder.
 */
bool environment_knows(struct slice word);

/* Whether one of the credential's templates has it. */
bool environment_names(const struct credential *credential, struct slice word);

/*
 * Appends `NAME=VALUE` for each variable, each ended by a NUL; the first lease is descriptor `first_fd`, the others
 * follow. At most LIMIT_LEASES of them. 0, -ENOBUFS (longer than execve(2) takes, or than `*to`) or -ENOMEM.
 */
int environment_add(struct buf *to, const struct environment_lease *leases, size_t n, int first_fd);
