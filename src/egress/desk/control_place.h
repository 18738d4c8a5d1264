/*
 * Where control sockets lie: for the supervisor, which makes one, and for `credfd lease`, which looks for them. The
 * directory is its owner's alone, and holds one socket for each supervisor that lives: "PID.sock".
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#define CONTROL_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path) /* with its NUL */
#define CONTROL_NAME_MAX 16                                          /* "PID.sock", with its NUL */
#define CONTROL_PLACES 2

struct control_place {
    char directory[CONTROL_PATH_MAX - CONTROL_NAME_MAX];
};

/*
 * Where this user's supervisors have theirs: below $XDG_RUNTIME_DIR when that is a directory of this user's, else in
 * /run. (A root that kept the variable of somebody else must not leave a directory of root's there.) Made where it is
 * missing. 0 when it is safe; -EPERM when it is somebody else's or open to others; -ENOTDIR, for a link too; or -errno
 * of mkdir(2) and open(2). `*ret` is set in any case.
 */
int control_place_make(struct control_place *ret);

/* The places to look at: those that are safe for this user, and for root any that $XDG_RUNTIME_DIR names. How many. */
size_t control_places(struct control_place ret[static CONTROL_PLACES]);

/* The address of that process's socket. */
struct sockaddr_un control_place_socket(const struct control_place *place, pid_t pid);
