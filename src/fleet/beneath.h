/*
 * Opening by a path that cannot leave a directory: the kernel resolves it (openat2(2), RESOLVE_BENEATH), so that
 * neither `..` nor a link nor somebody who moves directories meanwhile leads out, and no magic link of /proc is
 * followed. Every descriptor is close-on-exec. Used by credfd-task for the workspace and the spool, and by the
 * supervisor for the spool.
 */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

/*
 * As openat(2). A descriptor, or -errno: -EXDEV for a path that leads out, and for an absolute one. It never waits for
 * a FIFO's other end, and never makes a terminal ours.
 */
int beneath_open(int directory, const char *path, int flags, mode_t mode);

/*
 * For reading, a regular file and nothing else; what else it is, is not opened to find out, as that may set a device in
 * motion. -EISDIR, -EINVAL (neither), or -errno. `*ret_stat` is of what was opened.
 */
int beneath_open_regular(int directory, const char *path, int flags, struct stat *ret_stat);
