/*
 * The requests that a recipe tells to make: the look at a session and the exchanges of a credential, each a whole
 * request in bytes. Pure. What holds a credential or a cookie goes into a buffer that is wiped (buf_init_secret).
 */
#pragma once

#include "base/buf.h"
#include "ingress/pairing/target.h"

/* As much as any of them may take; what is longer is refused. */
#define RECIPE_REQUEST_MAX (LIMIT_HEAD + LIMIT_READ)

/* GET `path`, with the cookies when there are any. 0, -EINVAL (a byte that must not be there), or -errno of buf. */
int recipe_write_get(const struct target *target, const char *path, struct slice cookies, struct buf *to);

/* The exchange of that index, with the credential in every place for it. As recipe_write_get. */
int recipe_write_exchange(const struct target *target, size_t exchange, struct slice credential, struct buf *to);

/* Whether that status of an exchange says that it has worked. */
bool recipe_accepts(const struct recipe *recipe, unsigned status);

#define RECIPE_PLACE "{credential}"
