#include "egress/desk/control_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

#define SYSTEM_RUNTIME "/run"

/* $XDG_RUNTIME_DIR, with its owner; NULL when there is none that counts (it must be absolute: XDG Base Directory). */
static const char *runtime_directory(struct stat *ret) {
    const char *path = getenv("XDG_RUNTIME_DIR");

    if (!path || path[0] != '/' || stat(path, ret) < 0 || !S_ISDIR(ret->st_mode))
        return NULL;
    return strlen(path) + sizeof("/credfd") <= sizeof((struct control_place){0}.directory) ? path : NULL;
}

static struct control_place place_below(const char *runtime) {
    struct control_place place;

    (void)snprintf(place.directory, sizeof(place.directory), "%s/credfd", runtime);
    return place;
}

static int check(const struct control_place *place) {
    _cleanup_close_ int fd = open(place->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat state;

    if (fd < 0 || fstat(fd, &state) < 0)
        return -errno;
    return state.st_uid == geteuid() && (state.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? 0 : -EPERM;
}

int control_place_make(struct control_place *ret) {
    struct stat state;
    const char *runtime = runtime_directory(&state);
    int made, r;
    mode_t before;

    *ret = place_below(runtime && state.st_uid == geteuid() ? runtime : SYSTEM_RUNTIME);
    before = umask(0077);
    made = mkdir(ret->directory, 0700) < 0 ? -errno : 0;
    (void)umask(before);
    /* it may be there although this user could not make it: a service manager makes /run/credfd for its services */
    r = check(ret);
    return r == -ENOENT ? made : r;
}

size_t control_places(struct control_place ret[static CONTROL_PLACES]) {
    struct control_place system = place_below(SYSTEM_RUNTIME);
    struct stat state;
    const char *runtime = runtime_directory(&state);
    size_t n = 0;

    if (runtime) {
        ret[n] = place_below(runtime);
        if (geteuid() == 0 || check(&ret[n]) == 0)
            n++;
    }
    if (check(&system) == 0 && (n == 0 || strcmp(ret[0].directory, system.directory) != 0))
        ret[n++] = system;
    return n;
}

struct sockaddr_un control_place_socket(const struct control_place *place, pid_t pid) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%d.sock", place->directory, (int)pid);
    return address;
}
