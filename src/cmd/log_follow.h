/*
 * `credfd log -f`: reads on in a file that is written to, moved away, made anew or emptied meanwhile. It waits by
 * inotify on the file's folder and never asks in vain.
 */
#pragma once

#include "cmd/log_view.h"

/*
 * Prints what stands in FILE and the ones before it, then whatever comes, until nobody reads standard output any more:
 * 0. Else -errno, with `*ret_number` as log_files_open.
 */
int log_follow(struct log_view *view, const char *path, uint64_t *ret_number);
