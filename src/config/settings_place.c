#include "config/settings_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int settings_own_path(const char *name, char **ret) {
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int n = 0;

    /* the XDG Base Directory Specification: what is not absolute is to be ignored */
    if (xdg && xdg[0] == '/')
        n = asprintf(&path, "%s/credfd/%s", xdg, name);
    else if (home && home[0] == '/')
        n = asprintf(&path, "%s/.config/credfd/%s", home, name);
    if (n < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

bool settings_exists(const char *path) {
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}
