/*
 * The environment through which a command finds its leases: CREDFD, and each credential's own `env` with its templates
 * filled in.
 */
#pragma once

#include <stdbool.h>

#include "egress/settings.h"

/*
 * Into this process's environment; the first lease is descriptor `first_fd`, the others follow. False without memory.
 */
bool lease_env_set(const struct settings *settings, const char *const *names, size_t n_names, int first_fd);
