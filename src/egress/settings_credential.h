/*
 * One credential of the configuration: its keys, and what each may say. Part of egress/settings.c and
 * egress/profile.c, apart for its size; nobody else calls it.
 */
#pragma once

#include "config/document.h"
#include "egress/settings.h"

/* Fills `*credential`, which is all zero. 0, or -errno after a complaint; either way credential_done frees it. */
int credential_read(const struct node *node, struct credential *credential);
void credential_done(struct credential *credential);

/*
 * As credential_read, of a profile's root: the same keys but `secret`, a `description` of at most LIMIT_DESCRIPTION
 * beside them, and a name only if it likes. The secret is left as it is.
 */
int credential_read_profile(const struct node *node, struct credential *credential);
