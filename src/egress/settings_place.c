#include "egress/settings_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macros.h"
#include "config/settings_text.h"
#include "egress/settings.h"

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

int settings_find(const char *option, char **ret_path, char **ret_error) {
    static const char here[] = "./credfd.yaml", global[] = "/etc/credfd/config.yaml";
    const char *variable = getenv("CREDFD_CONFIG");
    _cleanup_free_ char *own = NULL;
    char *error;
    int r;

    *ret_error = NULL;
    if (option)
        return settings_copy(slice_of_string(option), ret_path);
    if (variable && *variable)
        return settings_copy(slice_of_string(variable), ret_path);
    if (settings_exists(here))
        return settings_copy(slice_of_string(here), ret_path);
    r = settings_own_path("config.yaml", &own);
    if (r < 0)
        return r;
    if (own && settings_exists(own))
        return settings_copy(slice_of_string(own), ret_path);
    if (settings_exists(global))
        return settings_copy(slice_of_string(global), ret_path);
    if (asprintf(&error, "no configuration at %s%s%s or %s; write one there, or name it with --config", here,
                 own ? ", " : "", own ? own : "", global) < 0)
        return -ENOMEM;
    *ret_error = error;
    return -ENOENT;
}
