/*
 * Where a credential's secret comes from, and the files that a credential names: looked at, never opened. Part of
 * egress/settings.c, apart because every complaint here is about something that must not be shown.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "config/document.h"

/* Handlers of config/schema.h. `field` is a struct secret_source, and a char * that becomes the file's path. */
int settings_read_secret(const struct node *node, void *field);
int settings_read_ca_file(const struct node *node, void *field);

/* Whether it can name an environment variable: [A-Za-z_][A-Za-z0-9_]* */
bool settings_is_variable(struct slice name);
