#include "egress/desk/door_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/desk/control_place.h"

#define ROOTS "/run/credfd-doors"
#define STEM "doors-"               /* in a directory that is its owner's */
#define STEM_COMMON "credfd-doors-" /* in one that is everybody's */
#define RANDOM "XXXXXX"             /* mkdtemp(3) */
#define COMMON "/tmp"
#define YOUNG_S 60 /* it may not be locked yet */

/*
 * A root's command may become anybody (sudo, setpriv) and finds its doors all the same: whoever knows a name in there
 * may look at it, and nobody else lists the names or can lock the directory. A plain user's stays himself.
 */
static mode_t mode_of_user(void) {
    return geteuid() == 0 ? 0711 : 0700;
}

static void remove_content(int directory) {
    int fd = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!list) {
        fd_close(&fd);
        return;
    }
    while ((entry = readdir(list)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(directory, entry->d_name, 0); /* a link itself, and not what it leads to */
    (void)closedir(list);
}

/* Of this user, and held by nobody: its run was killed. */
static bool is_left(int directory) {
    struct stat st;

    return fstat(directory, &st) == 0 && st.st_uid == geteuid() && time(NULL) - st.st_mtime > YOUNG_S &&
           flock(directory, LOCK_EX | LOCK_NB) == 0;
}

static void remove_left(const char *parent, const char *stem) {
    DIR *list = opendir(parent);
    const struct dirent *entry;

    while (list && (entry = readdir(list))) {
        _cleanup_close_ int fd = -EBADF;

        if (strncmp(entry->d_name, stem, strlen(stem)) != 0)
            continue;
        fd = openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || !is_left(fd))
            continue;
        remove_content(fd);
        (void)unlinkat(dirfd(list), entry->d_name, AT_REMOVEDIR);
    }
    if (list)
        (void)closedir(list);
}

static int make_in(const char *parent, const char *stem, char **ret_path, int *ret_lock) {
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int lock = -EBADF;

    remove_left(parent, stem);
    if (asprintf(&path, "%s/%s" RANDOM, parent, stem) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (!mkdtemp(path))
        return -errno;
    lock = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* opened to others once it is locked */
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0 || fchmod(lock, mode_of_user()) < 0) {
        int r = -errno;

        (void)rmdir(path);
        return r;
    }
    *ret_path = steal_pointer(&path);
    *ret_lock = fd_steal(&lock);
    return 0;
}

/* Root's own, which others may pass through. 0 or -errno. */
static int make_roots(void) {
    _cleanup_close_ int fd = -EBADF;
    struct stat st;

    if (mkdir(ROOTS, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = open(ROOTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return -EPERM;
    return fchmod(fd, mode_of_user()) < 0 ? -errno : 0;
}

int door_directory_make(char **ret_path, int *ret_lock) {
    struct control_place place;

    if (geteuid() == 0) {
        if (make_roots() == 0 && make_in(ROOTS, STEM, ret_path, ret_lock) == 0)
            return 0;
    } else if (control_place_make(&place) == 0 && !strpbrk(place.directory, " \t\n\"'\\") &&
               make_in(place.directory, STEM, ret_path, ret_lock) == 0) {
        return 0;
    }
    return make_in(COMMON, STEM_COMMON, ret_path, ret_lock);
}

void door_directory_remove(char **path, int *lock) {
    if (*path) {
        remove_content(*lock);
        (void)rmdir(*path);
    }
    free(*path);
    *path = NULL;
    fd_close(lock);
}
