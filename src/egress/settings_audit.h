/*
 * What credfd says about itself, and where: the audit, the log. Part of egress/settings.c, apart for its
 * size.
 */
#pragma once

#include "config/document.h"

/* Handlers of config/schema.h. `field` is a struct audit_settings and an enum log_level. */
int settings_read_audit(const struct node *node, void *field);
int settings_read_log(const struct node *node, void *field);
