/*
 * Paths that must lead where they led: whoever may rename a directory above a file may put another file in its place,
 * and credfd, which looks from outside, would take that one. So each step of such a path becomes a mount, which cannot
 * be renamed or removed (EBUSY): it is mounted onto itself. The price: what is moved
 * between such a directory and its parent is copied (EXDEV). For sandbox/view*.c alone.
 */
#pragma once

#include "sandbox/view.h"

/*
 * Adds to `steps` each directory and each link that is passed on the way to `path`, relative ones from the working
 * directory; each by where it really lies, and after those it lies in. What is not there ends the way. 0 or -errno.
 */
int view_pin_find(const char *path, struct view_paths *steps);

/* Those of `steps` that are seen below `root`, and that this user could move, stay where they are. 0 or -errno. */
int view_pin_all(const char *root, const struct view_paths *steps, struct view_fault *fault);
