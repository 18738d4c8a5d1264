#include "fleet/desk/cli_look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"

static int look(struct cli_look *look) {
    struct stat st;

    if (stat(look->path, &st) < 0 || access(look->path, X_OK) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EACCES;
    look->device = st.st_dev;
    look->inode = st.st_ino;
    look->size = (uint64_t)st.st_size;
    look->changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
    return 0;
}

static int look_in(struct slice directory, const char *name, struct cli_look *ret) {
    int n = snprintf(ret->path, sizeof(ret->path), "%.*s/%s", SLICE_ARG(directory), name);

    return n < 0 || (size_t)n >= sizeof(ret->path) ? -ENAMETOOLONG : look(ret);
}

/* A relative directory there would be another one in each task: it is passed over. */
static int search(struct slice directories, const char *name, struct cli_look *ret) {
    int r = -ENOENT;

    while (directories.p) {
        struct slice directory = slice_cut(&directories, ':');
        int here = slice_starts_with(directory, SLICE("/")) ? look_in(directory, name, ret) : -ENOENT;

        if (here == 0)
            return 0;
        if (here == -EACCES)
            r = here;
    }
    return r;
}

int cli_find(const char *cli, const char *search_path, struct cli_look *ret) {
    struct cli_look found = {0};
    int r;

    if (strchr(cli, '/')) {
        int n = snprintf(found.path, sizeof(found.path), "%s", cli);

        r = n < 0 || (size_t)n >= sizeof(found.path) ? -ENAMETOOLONG : look(&found);
    } else {
        r = search_path ? search(slice_of_string(search_path), cli, &found) : -ENOENT;
    }
    if (r == 0)
        *ret = found;
    return r;
}

bool cli_is_same(const struct cli_look *a, const struct cli_look *b) {
    return strcmp(a->path, b->path) == 0 && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns;
}
