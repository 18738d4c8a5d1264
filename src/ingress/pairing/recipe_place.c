#include "ingress/pairing/recipe_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "config/settings_place.h"
#include "config/settings_text.h"
#include "proc/place.h"

/* Where recipes are looked for, the first that counts first. */
enum { OWN, GLOBAL, SHIPPED, FOLDERS };

struct folders {
    char *paths[FOLDERS]; /* NULL for one that there cannot be */
};

static void folders_done(struct folders *folders) {
    for (size_t i = 0; i < FOLDERS; i++)
        free(folders->paths[i]);
}

static int folders_find(struct folders *folders) {
    char data[PATH_MAX];
    int r = settings_own_path("instances", &folders->paths[OWN]);

    if (r == 0)
        r = settings_copy(SLICE("/etc/credfd/instances"), &folders->paths[GLOBAL]);
    if (r == 0)
        r = place_find(CREDFD_DATADIR, data, sizeof(data));
    if (r == 0 && asprintf(&folders->paths[SHIPPED], "%s/profiles/instances", data) < 0) {
        folders->paths[SHIPPED] = NULL;
        r = -ENOMEM;
    }
    return r;
}

/* [a-z0-9._-], and no dot first: it neither leaves its folder nor hides in it. */
static bool is_name(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            return false;
    return text.n > 0 && text.n <= LIMIT_NAME && text.p[0] != '.' && settings_is_made_of(text, SLICE("._-"));
}

static int refuse_absent(const struct folders *folders, const char *name, char **ret_error) {
    const char *own = folders->paths[OWN];
    int r =
        settings_refuse(ret_error,
                        "instances of kind %s: no %s.yaml in %s%s%s or %s; credfd-instances(5) tells how "
                        "to write one",
                        name, name, own ? own : "", own ? ", " : "", folders->paths[GLOBAL], folders->paths[SHIPPED]);

    return r == -EINVAL ? -ENOENT : r;
}

int recipe_load(const char *name, struct recipe *ret, char **ret_error) {
    _cleanup_(folders_done) struct folders folders = {0};
    int r;

    *ret_error = NULL;
    if (!is_name(slice_of_string(name)))
        return settings_refuse(ret_error, "a kind of instance is named by a-z, 0-9 and any of . _ -, not with a dot "
                                          "first; t3, jupyter, code-server, ttyd and none come with credfd");
    r = folders_find(&folders);
    for (size_t i = 0; r == 0 && i < FOLDERS; i++) {
        _cleanup_free_ char *path = NULL;

        if (!folders.paths[i])
            continue;
        if (asprintf(&path, "%s/%s.yaml", folders.paths[i], name) < 0) {
            path = NULL;
            return -ENOMEM;
        }
        if (settings_exists(path))
            return recipe_read(path, name, ret, ret_error);
    }
    return r < 0 ? r : refuse_absent(&folders, name, ret_error);
}
