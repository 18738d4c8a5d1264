/*
 * Mounts as the new calls make them (mount_setattr(2), Linux 5.12): pieces of the tree are taken as descriptors,
 * changed, and put where they belong. For a mount namespace of one's own; decides nothing about what goes where. Called
 * by sandbox/view*.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What happens here is seen nowhere else, and the other way round. 0 or -errno. */
int mounts_own(void);

/* A copy of what is seen at `path`, with all that is mounted below; not yet seen anywhere. 0 or -errno. */
int mounts_take(const char *path, int *ret_tree);

/* Likewise; of a link the link, and not what it leads to. */
int mounts_take_itself(const char *path, int *ret_tree);

/* No device in the tree, or at `path` and below, can be opened. 0 or -errno. */
int mounts_still_devices(int tree);
int mounts_still_devices_below(const char *path);

/* Nothing in the tree can be written to, whatever its own mode says. 0 or -errno. */
int mounts_shut(int tree);

/* Empty memory with a root of that mode, at most `size` bytes (0: half of the machine's). 0 or -errno. */
int mounts_make_memory(mode_t mode, uint64_t size, int *ret_tree);

/* Of this process's pid namespace. 0, or -errno: -EPERM where /proc is covered in part already. */
int mounts_make_proc(int *ret_tree);

/* Terminals that are nobody else's. 0 or -errno. */
int mounts_make_terminals(int *ret_tree);

/* Puts it at `path`, which exists (a directory for a directory, else a file). 0 or -errno; `*tree` is closed. */
int mounts_put(int *tree, const char *path);

/* Likewise, and on a link itself. */
int mounts_put_on(int *tree, const char *path);

/* The file, socket or pipe is /dev/null from now on; the directory, empty and this user's alone. 0 or -errno. */
int mounts_cover_file(const char *path);
int mounts_cover_directory(const char *path);

/* What is seen at `path` and below can no more be written to; or that one mount alone. 0 or -errno. */
int mounts_shut_path(const char *path);
int mounts_shut_one(const char *path);

/* `path` becomes the root, and what was seen before is gone. 0 or -errno. */
int mounts_pivot(const char *path);
