/*
 * The environment that every command gets: of the runner's own what every program may need to know, and nothing else (its
 * token, systemd's words to it, a proxy's password); with the home and the like of whom tasks run as. Used by the desk,
 * once.
 */
#pragma once

#include <pwd.h>

#include "base/buf.h"

/*
 * `NAME=VALUE` of `environment` (as environ(7)), each ended by a NUL; a variable for which `to` has no room is left out.
 * `user`: whom tasks run as, where that is not the runner's own user; else NULL. 0 or -ENOMEM.
 */
int environment_write(const char *const *environment, const struct passwd *user, struct buf *to);
