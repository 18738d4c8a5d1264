#include "config/named_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "config/settings_place.h"
#include "config/settings_text.h"

int named_folders_find(struct named_folders *folders, const char *kind, const char *data, const char *shipped) {
    int r = settings_own_path(kind, &folders->paths[NAMED_OWN]);

    if (r == 0 && asprintf(&folders->paths[NAMED_GLOBAL], "/etc/credfd/%s", kind) < 0) {
        folders->paths[NAMED_GLOBAL] = NULL;
        r = -ENOMEM;
    }
    if (r == 0 && asprintf(&folders->paths[NAMED_SHIPPED], "%s/%s", data, shipped) < 0) {
        folders->paths[NAMED_SHIPPED] = NULL;
        r = -ENOMEM;
    }
    return r;
}

void named_folders_done(struct named_folders *folders) {
    for (size_t i = 0; i < NAMED_FOLDERS; i++)
        free(folders->paths[i]);
}

bool named_is_name(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            return false;
    return text.n > 0 && text.n <= LIMIT_NAME && text.p[0] != '.' && settings_is_made_of(text, SLICE("._-"));
}

int named_path(const char *folder, struct slice name, char **ret) {
    char *path;

    if (asprintf(&path, "%s/%.*s.yaml", folder, SLICE_ARG(name)) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

int named_find(const struct named_folders *folders, const char *name, char **ret_path) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < NAMED_FOLDERS; i++) {
        _cleanup_free_ char *path = NULL;

        if (folders->paths[i])
            r = named_path(folders->paths[i], slice_of_string(name), &path);
        if (path && settings_exists(path)) {
            *ret_path = steal_pointer(&path);
            return 0;
        }
    }
    *ret_path = NULL;
    return r;
}
