#include "sandbox/view_piece.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/weaken.h"
#include "sandbox/mounts.h"
#include "sandbox/view_path.h"

void pieces_done(struct pieces *pieces) {
    for (size_t i = 0; i < pieces->n; i++) {
        free(pieces->all[i].path);
        fd_close(&pieces->all[i].tree);
    }
    pieces->n = 0;
}

int pieces_add(struct pieces *pieces, const char *path, enum piece_kind kind, int *tree, bool is_directory) {
    char *copy = pieces->n < PIECES_MAX ? strdup(path) : NULL;

    if (!copy) {
        fd_close(tree);
        return pieces->n < PIECES_MAX ? -ENOMEM : -E2BIG;
    }
    pieces->all[pieces->n++] =
        (struct piece){.path = copy, .tree = fd_steal(tree), .kind = kind, .is_directory = is_directory};
    return 0;
}

int pieces_take(struct pieces *pieces, const char *path, enum piece_kind kind) {
    _cleanup_close_ int tree = -EBADF;
    struct stat st;
    int r = stat(path, &st) < 0 ? -errno : mounts_take(path, &tree);

    /* of devices those alone that somebody asks for by their names */
    if (r == 0 && !WEAKENED(VIEW) && (!view_path_is_in(path, "/dev") || view_path_is_in(path, "/dev/shm")))
        r = mounts_still_devices(tree);
    if (r == 0 && kind == PIECE_READABLE)
        r = mounts_shut(tree);
    return r == 0 ? pieces_add(pieces, path, kind, &tree, S_ISDIR(st.st_mode)) : r;
}

int pieces_add_memory(struct pieces *pieces, const char *path, mode_t mode) {
    int tree = -EBADF, r = mounts_make_memory(mode, 0, &tree);

    return r == 0 ? pieces_add(pieces, path, PIECE_WRITABLE, &tree, true) : r;
}

/* By path, stable: what lies below another comes after it. */
static void sort(struct pieces *pieces) {
    for (size_t i = 1; i < pieces->n; i++) {
        struct piece moved = pieces->all[i];
        size_t at = i;

        for (; at > 0 && strcmp(pieces->all[at - 1].path, moved.path) > 0; at--)
            pieces->all[at] = pieces->all[at - 1];
        pieces->all[at] = moved;
    }
}

static int lay(struct piece *piece, const char *root) {
    char path[PATH_MAX];
    int r;

    if ((size_t)snprintf(path, sizeof(path), "%s%s", root, piece->path) >= sizeof(path))
        return -ENAMETOOLONG;
    r = view_path_make(path, piece->is_directory);
    return r == 0 ? mounts_put(&piece->tree, path) : r;
}

int pieces_lay(struct pieces *pieces, const char *root, const char **ret_path) {
    sort(pieces);
    for (size_t i = 0; i < pieces->n; i++) {
        int r = lay(&pieces->all[i], root);

        if (r < 0) {
            *ret_path = pieces->all[i].path;
            return r;
        }
    }
    return 0;
}
