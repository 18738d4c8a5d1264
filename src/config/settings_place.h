/*
 * Where a person's own configurations, profiles and recipes lie. Looks, and reads none of them. Called by whoever finds
 * such a file by its name.
 */
#pragma once

#include <stdbool.h>

/*
 * What a person has for himself: $XDG_CONFIG_HOME/credfd/NAME, below ~/.config without the variable. The caller's; NULL
 * for who has no home. 0 or -ENOMEM.
 */
int settings_own_path(const char *name, char **ret);

/* One that is there but cannot be looked at exists: to go on to another would hide why. */
bool settings_exists(const char *path);
