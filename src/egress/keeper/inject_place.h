/*
 * The secret in one place of a request, as bytes. Each function appends to the caller's secret buffer and keeps no copy
 * anywhere else, and refuses a secret that its place cannot hold. Knows nothing of the request around it: inject.c
 * makes a head of these, and is the only caller.
 */
#pragma once

#include "base/buf.h"
#include "egress/settings/settings.h"

/*
 * All return 0, -EINVAL (the secret has a byte that must not stand there), -ENOBUFS or -ENOMEM; then a part may have
 * been appended.
 */

/* INJECT_QUERY: `name=secret`, both escaped. Every secret can stand there. */
int inject_put_parameter(struct buf *to, const struct inject *inject, struct slice secret);

/* INJECT_PATH: the format with the secret in it, escaped; never a dot segment. */
int inject_put_path(struct buf *to, const struct inject *inject, struct slice secret);

/* INJECT_HEADER: the whole field line. */
int inject_put_header(struct buf *to, const struct inject *inject, struct slice secret);

/* INJECT_BASIC_USER and INJECT_BASIC_PASSWORD: the encoded pair alone, at most LIMIT_PAIR bytes. */
int inject_put_pair(struct buf *to, const struct inject *inject, struct slice secret);

/* INJECT_COOKIE: `name=secret`. */
int inject_put_cookie(struct buf *to, const struct inject *inject, struct slice secret);
