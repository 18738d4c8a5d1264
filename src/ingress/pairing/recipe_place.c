#include "ingress/pairing/recipe_file.h"

#include <errno.h>
#include <limits.h>

#include "config/named_file.h"
#include "config/settings_text.h"
#include "proc/place.h"

static int folders_find(struct named_folders *folders) {
    char data[PATH_MAX];
    int r = place_find(CREDFD_DATADIR, data, sizeof(data));

    return r == 0 ? named_folders_find(folders, "instances", data, "profiles/instances") : r;
}

static int refuse_absent(const struct named_folders *folders, const char *name, char **ret_error) {
    const char *own = folders->paths[NAMED_OWN];
    int r = settings_refuse(
        ret_error, "instances of kind %s: no %s.yaml in %s%s%s or %s; credfd-instances(5) tells how to write one", name,
        name, own ? own : "", own ? ", " : "", folders->paths[NAMED_GLOBAL], folders->paths[NAMED_SHIPPED]);

    return r == -EINVAL ? -ENOENT : r;
}

int recipe_load(const char *name, struct recipe *ret, char **ret_error) {
    _cleanup_named_folders_ struct named_folders folders = {0};
    _cleanup_free_ char *path = NULL;
    int r;

    *ret_error = NULL;
    if (!named_is_name(slice_of_string(name)))
        return settings_refuse(ret_error, "a kind of instance is named by a-z, 0-9 and any of . _ -, not with a dot "
                                          "first; t3, jupyter, code-server, ttyd and none come with credfd");
    r = folders_find(&folders);
    if (r == 0)
        r = named_find(&folders, name, &path);
    if (r < 0)
        return r;
    return path ? recipe_read(path, name, ret, ret_error) : refuse_absent(&folders, name, ret_error);
}
