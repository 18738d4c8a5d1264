/* `permission:` of the runner's configuration. Part of fleet/settings.c, apart for its size; nobody else calls it. */
#pragma once

#include "config/document.h"

/* A handler of config/schema.h. `field` is a struct command_rules, all zero. */
int settings_read_permission(const struct node *node, void *field);
