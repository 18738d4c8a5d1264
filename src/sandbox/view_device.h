/*
 * A /dev of a command's own: what every program needs, and no disk, no log of the kernel, no terminal of others. For
 * sandbox/view*.c alone.
 */
#pragma once

#include "sandbox/view_piece.h"

/* Adds it to `pieces`. 0, or -errno and `fault`. */
int view_device_gather(struct pieces *pieces, struct view_fault *fault);

/* Once the pieces are laid below `root`: the links there, and nothing more can be added. 0, or -errno and `fault`. */
int view_device_finish(const char *root, struct view_fault *fault);

/*
 * It stands in for the /dev that is there, whose shared memory stays; elsewhere no device can be opened any more. What is
 * put below a path of /dev later is seen. 0, or -errno and `fault`.
 */
int view_device_replace(struct view_fault *fault);
