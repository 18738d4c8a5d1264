/* `tasks:` of the runner's configuration. Part of fleet/settings.c, apart for its size; nobody else calls it. */
#pragma once

#include "config/document.h"

/* A handler of config/schema.h. `field` is the whole struct runner_settings. */
int settings_read_tasks(const struct node *node, void *field);
