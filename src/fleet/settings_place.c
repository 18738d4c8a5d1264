#include "fleet/settings_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What is not absolute is to be ignored (XDG Base Directory Specification). */
static const char *absolute(const char *variable) {
    const char *path = getenv(variable);

    return path && path[0] == '/' ? path : NULL;
}

int settings_state_path(const char *name, char **ret) {
    const char *systemd = absolute("STATE_DIRECTORY"), *xdg = absolute("XDG_STATE_HOME"), *home = absolute("HOME");
    char *path = NULL;
    int n = -1;

    if (systemd)
        n = asprintf(&path, "%s/%s", systemd, name);
    else if (geteuid() == 0)
        n = asprintf(&path, "/var/lib/credfd/%s", name);
    else if (xdg)
        n = asprintf(&path, "%s/credfd/%s", xdg, name);
    else if (home)
        n = asprintf(&path, "%s/.local/state/credfd/%s", home, name);
    else
        return -ENOENT;
    if (n < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}
