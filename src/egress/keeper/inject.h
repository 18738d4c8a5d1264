/*
 * The head that goes upstream: the workload's request with the credential's own Host, everything that could carry
 * another credential taken out, and the secret in each of its places. Only the keeper calls it, and only into a secret
 * buffer.
 */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "egress/settings/settings.h"
#include "relay/upstream.h"

/* What of a request this credential cannot carry; NULL when nothing. A constant: the reason for a 400. */
const char *inject_check(const struct credential *credential, const struct request_head *request);

/*
 * Appends the whole head, framing included, of a request that inject_check has passed. 0, -EINVAL (the secret holds a
 * byte that one of its places cannot), -ENOBUFS, -ENOMEM; on failure `to` is emptied, so that nothing can be sent.
 */
int inject_write_head(struct buf *to, const struct credential *credential, const struct secret *secret,
                      const struct request_head *request);

/*
 * What the upstream was told that a response must not repeat: the secret, and each basic pair in base64, without its
 * padding. Appends to `ret`, which has room for 1 + LIMIT_INJECTIONS more, and counts up `*ret_n`. Pairs are made in
 * `made`, a secret buffer that takes all the memory of its cap at once, so that they stay where they are until it is
 * released; LIMIT_PAIR of it for each. A pair that could never be sent is left out. 0, -ENOBUFS, -ENOMEM.
 */
int inject_literals(const struct credential *credential, const struct secret *secret, struct buf *made,
                    struct slice *ret, size_t *ret_n);
