/*
 * What of the file system a command sees: made in a mount namespace of its own, before the command is in it. Two views:
 * everything but what leads out of its network by a file (view_cover), and nothing but what it needs (view_compose).
 * Knows no lease and no door but as paths. Called by cmd/workload_prepare.c, in the process that enters.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

struct view_want {
    const char *const *readable; /* of view_compose: beside the system and the working directory */
    const char *const *writable;
    size_t n_readable, n_writable;
    const char *const *hidden; /* files and directories that are covered wherever they would be seen */
    size_t n_hidden;
    const char *const *kept; /* files that, where they are seen, are neither written to nor replaced */
    size_t n_kept;
    const char *doors; /* a directory that is seen in any case, to be read; NULL for none */
};

/* Absolute ones, owned. */
struct view_paths {
    char **paths;
    size_t n;
};

/*
 * Sockets and pipes of others: those that programs of this network namespace listen at, and those that lie where they
 * usually do. To be called before it is left. At most LIMIT_HIDDEN: -E2BIG beyond. 0 or -errno.
 */
int view_find_sockets(struct view_paths *ret);
void view_paths_done(struct view_paths *paths);

/* Whether the variable is about an agent, a bus or a display that the command is not to reach. */
bool view_hides_variable(const char *name, size_t length);

struct view_fault {
    const char *what; /* a few words */
    char path[256];   /* where; may be empty */
};

/*
 * Everything is as it was, but: sockets and directories of agents are covered, `hidden` too; `doors`, `kept` and what
 * the kernel can be told by /proc/sys and /sys cannot be written to. 0, or -errno and what failed.
 */
int view_cover(const struct view_want *want, const struct view_paths *sockets, struct view_fault *ret_fault);

/* `bundle`, a file of certificates, stands where the system's do; those that are not there are not made. 0 or -errno. */
int view_trust(const char *bundle);

/*
 * Whether view_compose has something of its own at `path`, so that what is written there goes with the command: the
 * working directory may not lie there unless it is shown by `--write`.
 */
bool view_replaces(const char *path);

/* Where a composed view lets read and write, for the second wall (landlock.h). */
struct view_places {
    char *readable[LIMIT_VIEW_PATHS + 32], *writable[LIMIT_VIEW_PATHS + 32];
    size_t n_readable, n_writable;
};
void view_places_done(struct view_places *places);

/*
 * A new root: the system to read, the working directory to write, what is wanted, a /proc of this pid namespace, fresh
 * /tmp, /run, /dev and home. No home, no key file, no socket of others. The process goes on in the same working
 * directory. 0, or -errno and what failed.
 */
int view_compose(const struct view_want *want, const struct view_paths *sockets, struct view_places *ret,
                 struct view_fault *ret_fault);
