/*
 * Where a credential's secret comes from, as a configuration or a command line says it. What is said is read here, and
 * not whether it is there: settings_check_secret looks, at those that are used. Part of egress/settings.c and
 * egress/profile.c; apart because no complaint here may show what was written.
 */
#pragma once

#include "base/slice.h"
#include "config/document.h"
#include "egress/settings.h"

/* A handler of config/schema.h. `field` is a struct secret_source, all zero. */
int settings_read_secret(const struct node *node, void *field);

/*
 * Makes `secret`, all zero or failed, one of that kind, as `value` says: a path, a variable's name, a descriptor's
 * number, the name of systemd's, or words with blanks between them and no quotes. What is relative starts from
 * `directory`. 0; -ENOMEM; or -EINVAL, and `*ret_fault` is a literal: what is wrong, and how to mend it. Either way
 * secret_source_done frees it.
 */
int secret_source_set(struct secret_source *secret, enum secret_kind kind, struct slice value, const char *directory,
                      const char **ret_fault);

void secret_source_done(struct secret_source *secret);
