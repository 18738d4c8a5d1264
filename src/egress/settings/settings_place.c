#include "egress/settings/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "config/settings_place.h"
#include "config/settings_text.h"

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
