/*
 * Where the other parts of this program lie: beside it in a build tree, in folders of their own once it is installed.
 * Whatever was moved as a whole is found where it is now.
 */
#pragma once

#include <stddef.h>

/* The running program's folder, or `installed` when that is the one where programs are installed. 0 or -errno. */
int place_find(const char *installed, char *path, size_t size);
