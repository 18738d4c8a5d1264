/*
 * Whom the keeper believes that a server is who it says: one TLS context for all credentials that trust the same
 * certificates, because each costs tens of KiB. Made when a server is first to be reached. The keeper alone has any.
 */
#pragma once

#include "base/slice.h"
#include "net/tls.h"

struct anchors {
    struct anchors *next; /* on its shelf */
    size_t refs;
    struct slice pem;      /* mapped; empty for none */
    const char *directory; /* of hashed certificates, or NULL */
    struct tls_context *context;
};

/*
 * Those of the file that the supervisor has copied; the same ones again where the shelf has equal ones. 0 with `*ret`
 * for anchors_unref; -EINVAL or -errno (names/trust.h), -ENOMEM.
 */
int anchors_get(struct anchors **shelf, int fd, struct anchors **ret);

/* NULL is fine. Who trusts the same a moment later finds them as they were: they stay until anchors_trim. */
void anchors_unref(struct anchors *anchors);

/* Gives back those of the shelf that no credential needs any more. */
void anchors_trim(struct anchors **shelf);

/* The context, theirs. 0, -EINVAL (no certificate in the file) or -ENOMEM. */
int anchors_context(struct anchors *anchors, struct tls_context **ret);
