/*
 * Paths of views: which lies below which, and how a place for a mount comes to be. For sandbox/view*.c alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sandbox/view.h"

/* Whether `path` is `top` or lies below it; both absolute, without a slash at the end but for "/". */
bool view_path_is_in(const char *path, const char *top);

bool view_paths_has(const struct view_paths *paths, const char *path);

/* A copy of it, unless it is there. At most LIMIT_HIDDEN. 0, -ENOMEM or -E2BIG. */
int view_paths_add(struct view_paths *paths, const char *path);

/* Makes the directories above `path`, then itself: a directory, or an empty file. What is there stays. 0 or -errno. */
int view_path_make(const char *path, bool is_directory);

/* Fills in what failed; returns `error`. */
int view_fail(struct view_fault *fault, int error, const char *what, const char *path);

/*
 * Covers what is seen at `root` + `path`, by what it is. Passed over: what is not there, what cannot be reached, what
 * is no file, socket, pipe or directory. 0 or -errno.
 */
int view_path_cover(const char *root, const char *path);

/* Where they really are, each; what is not there is left out. 0 or -errno. */
int view_path_resolve(const char *const *paths, size_t n, struct view_paths *ret);

/* Those of `paths` that are seen below `root` cannot be written to, or replaced: they are mounts. 0, or -errno. */
int view_path_keep_all(const char *root, const struct view_paths *paths, struct view_fault *fault);

/* Covers `paths` but those below `doors`; -EBUSY for a directory in which `cwd` or `doors` lies. 0, or -errno. */
int view_path_cover_all(const char *root, const char *const *paths, size_t n, const char *doors, const char *cwd,
                        struct view_fault *fault);
