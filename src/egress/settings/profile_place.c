#include "egress/settings/profile.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/named_file.h"
#include "config/settings_text.h"
#include "proc/place.h"

#define SUFFIX ".yaml"

static int folders_find(struct named_folders *folders) {
    char data[PATH_MAX];
    int r = place_find(CREDFD_DATADIR, data, sizeof(data));

    return r == 0 ? named_folders_find(folders, "profiles", data, "profiles") : r;
}

int profile_find(const char *name, char **ret_path, char **ret_error) {
    _cleanup_named_folders_ struct named_folders folders = {0};
    const char *own;
    int r;

    *ret_error = NULL;
    if (!named_is_name(slice_of_string(name)))
        return settings_refuse(ret_error, "a profile's name holds a-z, 0-9 and any of . _ -, and does not start with a "
                                          "dot; `credfd profile list` lists those that there are");
    r = folders_find(&folders);
    if (r == 0)
        r = named_find(&folders, name, ret_path);
    if (r < 0 || *ret_path)
        return r;
    own = folders.paths[NAMED_OWN];
    r = settings_refuse(ret_error, "profile %s: not in %s%s%s or %s; `credfd profile list` lists those that there are",
                        name, own ? own : "", own ? ", " : "", folders.paths[NAMED_GLOBAL],
                        folders.paths[NAMED_SHIPPED]);
    return r == -EINVAL ? -ENOENT : r;
}

static bool is_listed(const struct profile_list *list, struct slice name) {
    for (size_t i = 0; i < list->n; i++)
        if (slice_equals(slice_of_string(list->items[i].name), name))
            return true;
    return false;
}

static int add_file(struct profile_list *list, const char *folder, struct slice file, char **ret_error) {
    struct slice name = slice_first(file, file.n - strlen(SUFFIX));
    struct profile *profile;
    int r;

    if (!named_is_name(name) || is_listed(list, name))
        return 0;
    if (list->n == LIMIT_PROFILES)
        return settings_refuse(ret_error, "%s: more than %d profiles; remove some", folder, LIMIT_PROFILES);
    profile = &list->items[list->n++];
    r = settings_copy(name, &profile->name);
    return r == 0 ? named_path(folder, name, &profile->path) : r;
}

static int refuse_folder(const char *folder, int error, char **ret_error) {
    int r = settings_refuse(ret_error, "%s: cannot be read: %s; check its permissions", folder, strerror(error));

    return r == -EINVAL ? -error : r;
}

static int add_folder(struct profile_list *list, const char *folder, char **ret_error) {
    DIR *stream = opendir(folder);
    const struct dirent *entry = NULL;
    int r = 0;

    if (!stream)
        return errno == ENOENT || errno == ENOTDIR ? 0 : refuse_folder(folder, errno, ret_error);
    while (r == 0 && (errno = 0, entry = readdir(stream))) {
        struct slice file = slice_of_string(entry->d_name);

        if (slice_ends_with(file, SLICE(SUFFIX)))
            r = add_file(list, folder, file, ret_error);
    }
    if (r == 0 && errno != 0)
        r = refuse_folder(folder, errno, ret_error);
    (void)closedir(stream);
    return r;
}

static int by_name(const void *a, const void *b) {
    const struct profile *first = a, *second = b;

    return strcmp(first->name, second->name);
}

int profile_list(struct profile_list *ret, char **ret_error) {
    _cleanup_named_folders_ struct named_folders folders = {0};
    _cleanup_profile_list_ struct profile_list list = {.items = calloc(LIMIT_PROFILES, sizeof(list.items[0]))};
    int r = list.items ? folders_find(&folders) : -ENOMEM;

    *ret_error = NULL;
    for (size_t i = 0; r == 0 && i < NAMED_FOLDERS; i++)
        if (folders.paths[i])
            r = add_folder(&list, folders.paths[i], ret_error);
    if (r < 0)
        return r;
    qsort(list.items, list.n, sizeof(list.items[0]), by_name);
    *ret = list;
    list = (struct profile_list){0};
    return 0;
}

void profile_list_done(struct profile_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
        free(list->items[i].path);
    }
    free(list->items);
    *list = (struct profile_list){0};
}
