/*
 * The pieces of a composed view: trees of mounts, and the paths at which each is to be seen. They are gathered while
 * the old root is there, and laid when the new one is. For sandbox/view_compose.c alone.
 */
#pragma once

#include <sys/types.h>

#include "sandbox/view.h"

enum piece_kind { PIECE_READABLE, PIECE_WRITABLE, PIECE_DEVICE };

struct piece {
    char *path;
    int tree;
    enum piece_kind kind;
    bool is_directory;
};

#define PIECES_MAX (2 * LIMIT_VIEW_PATHS + 48)

struct pieces {
    struct piece all[PIECES_MAX];
    size_t n;
};

void pieces_done(struct pieces *pieces);

/* What is seen at `path` now, shut unless it is to be written to. 0 or -errno; -ENOENT where there is nothing. */
int pieces_take(struct pieces *pieces, const char *path, enum piece_kind kind);

/* Takes `*tree` over. 0 or -errno. */
int pieces_add(struct pieces *pieces, const char *path, enum piece_kind kind, int *tree, bool is_directory);

/* Empty memory. 0 or -errno. */
int pieces_add_memory(struct pieces *pieces, const char *path, mode_t mode);

/*
 * Lays each below `root`, one that lies in another after it, and of two at one path the later one on top. 0, or -errno
 * and `*ret_path` (borrowed) where it failed.
 */
int pieces_lay(struct pieces *pieces, const char *root, const char **ret_path);
