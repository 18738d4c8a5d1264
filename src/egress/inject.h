/*
 * The head that goes upstream: the workload's request with the credential's own Host, everything that could carry
 * another credential taken out, and the secret in its place. Only the keeper calls it, and only into a secret buffer.
 */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "egress/settings.h"
#include "relay/upstream.h"

/* What of a request this credential cannot carry; NULL when nothing. A constant: the reason for a 400. */
const char *inject_check(const struct credential *credential, const struct request_head *request);

/*
 * Appends the whole head, framing included, of a request that inject_check has passed. 0, -EINVAL (the secret holds a
 * byte that its place cannot), -ENOBUFS, -ENOMEM.
 */
int inject_write_head(struct buf *to, const struct credential *credential, const struct secret *secret,
                      const struct request_head *request);
