/*
 * What the settings name on this machine, looked at before anything is begun: the user of the tasks, and the places that
 * must be directories. Makes and changes nothing. Used by the desk, and by `credfd check`.
 */
#pragma once

#include "fleet/settings.h"
#include "fleet/task/task_user.h"

/* Whom tasks run as; `*ret` is untouched where it is the runner's own user. 0, or -errno with one line in `*ret_error`. */
int places_find_user(const struct runner_settings *settings, struct task_user *ret, char **ret_error);

/* That user, and that no file is where a directory has to be. 0 or -errno as above. */
int places_check(const struct runner_settings *settings, char **ret_error);

/* The line about a place that cannot be used: `name` is its setting, below runner. Returns `error`. */
int places_refuse(const struct runner_settings *settings, const char *name, const char *path, int error,
                  char **ret_error);
