/*
 * Tells when the file at a path has become another one or has other content: written to, renamed over, reached through
 * a symbolic link that was switched (as Kubernetes does with its secrets), removed or made. Opens and reads nothing.
 *
 * inotify only says when to look; what counts is what stat(2) shows. So a look from time to time also finds what
 * inotify does not tell: changes made on another machine, further up the path, or behind a chain of links. And it is asked
 * only of a watch that has lasted a moment: to let go of it makes the kernel wait for some 15 ms, which a short command
 * would spend at its end.
 */
#pragma once

#include <sys/stat.h>

#include "net/loop.h"

struct file_watch {
    const char *path; /* absolute; borrowed */
    void (*on_change)(struct file_watch *watch);
    struct timer look;
    struct stat last;   /* as seen last; all zero when it was not there */
    int directories[2]; /* inotify's numbers: of the path's, and of the one that its links lead to; -1 for none */
    struct file_watch *next;
};

/*
 * From now on `on_change` is called, from the loop and a moment after the change. It may stop the watch. Cannot fail:
 * without inotify it looks more often.
 */
void file_watch_start(struct file_watch *watch, const char *path, void (*on_change)(struct file_watch *watch));

/* Harmless when it is stopped already, or was never started (zeroed). */
void file_watch_stop(struct file_watch *watch);
