/*
 * A directory for the files of one run: its user's to write, locked for as long as the run lives, and removed with it.
 * A plain user's is his alone, below the place of control sockets; root's lies in /run/credfd-doors, where whoever
 * knows a file's name may read it, since root's command may become another user; both in /tmp where that cannot be.
 * Knows nothing of what lies in it, but that it is no secret. For the supervisor.
 */
#pragma once

/*
 * Its path is the caller's, without blanks and quotes in it, so that it can stand in options; `*ret_lock` holds it.
 * Directories that nobody holds any more are removed. 0, -ENOMEM or -errno.
 */
int door_directory_make(char **ret_path, int *ret_lock);

/* Removes what lies in it, and itself; frees the path and lets go. Harmless for NULL. */
void door_directory_remove(char **path, int *lock);
