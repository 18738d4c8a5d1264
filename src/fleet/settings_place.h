/*
 * Where a runner keeps its things unless it is told otherwise. Part of fleet/settings.c; nobody else calls it.
 */
#pragma once

/*
 * `name` below the directory for what outlives a start: the first of $STATE_DIRECTORY (a service manager's word),
 * /var/lib/credfd for root, $XDG_STATE_HOME/credfd, ~/.local/state/credfd. 0 with `*ret` the caller's; -ENOENT for a
 * user without a home; -ENOMEM.
 */
int settings_state_path(const char *name, char **ret);
