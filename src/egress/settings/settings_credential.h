/*
 * One credential of the configuration: its keys, and what each may say. Part of egress/settings/settings.c and
 * egress/settings/profile_file.c, apart for its size; nobody else calls it.
 */
#pragma once

#include "config/document.h"
#include "config/schema.h"
#include "egress/settings/settings.h"

/* Fills `*credential`, which is all zero. 0, or -errno after a complaint; either way credential_done frees it. */
int credential_read(const struct node *node, struct credential *credential);
void credential_done(struct credential *credential);

/*
 * As credential_read, of a profile: no `secret`, which is left as it is. `others` are the rows of keys beside the
 * credential's, `at` counted from where `credential` starts. With `is_root` it may do without a name.
 */
int credential_read_profile(const struct node *node, bool is_root, const struct schema_key *others, size_t n_others,
                            struct credential *credential);

/* Complains when an entry of `list` before `item` has its name. 0 or -EINVAL. */
int credential_check_unique(const struct node *list, const struct node *item);
