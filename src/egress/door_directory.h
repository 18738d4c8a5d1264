/*
 * A directory for the files of one run: its user's alone, locked for as long as the run lives, and removed with it.
 * Below the place of control sockets where there is one, else in /tmp. Knows nothing of what lies in it. For the
 * supervisor.
 */
#pragma once

/*
 * Its path is the caller's, without blanks and quotes in it, so that it can stand in options; `*ret_lock` holds it.
 * Directories that nobody holds any more are removed. 0, -ENOMEM or -errno.
 */
int door_directory_make(char **ret_path, int *ret_lock);

/* Removes what lies in it, and itself; frees the path and lets go. Harmless for NULL. */
void door_directory_remove(char **path, int *lock);
