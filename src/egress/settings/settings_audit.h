/*
 * Where the audit goes. Part of egress/settings/settings.c, apart for its size.
 */
#pragma once

#include "config/document.h"

/* A handler of config/schema.h; `field` is a struct audit_settings. */
int settings_read_audit(const struct node *node, void *field);
