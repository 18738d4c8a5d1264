#include "sandbox/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

int mounts_own(void) {
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int take(const char *path, unsigned flags, int *ret_tree) {
    int fd = open_tree(AT_FDCWD, path, (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC | AT_RECURSIVE | flags);

    if (fd < 0)
        return -errno;
    *ret_tree = fd;
    return 0;
}

int mounts_take(const char *path, int *ret_tree) {
    return take(path, 0, ret_tree);
}

int mounts_take_itself(const char *path, int *ret_tree) {
    return take(path, AT_SYMLINK_NOFOLLOW, ret_tree);
}

static int set(int tree, uint64_t attribute) {
    struct mount_attr attr = {.attr_set = attribute};

    return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mounts_shut(int tree) {
    return set(tree, MOUNT_ATTR_RDONLY);
}

int mounts_still_devices(int tree) {
    return set(tree, MOUNT_ATTR_NODEV);
}

int mounts_still_devices_below(const char *path) {
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV};

    return mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

struct option {
    const char *key, *value;
};

/* Options end with one without a key. */
static int make(const char *type, const struct option *options, unsigned attributes, int *ret_tree) {
    _cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);
    int tree;

    if (context < 0)
        return -errno;
    for (; options->key; options++)
        if (fsconfig(context, FSCONFIG_SET_STRING, options->key, options->value, 0) < 0)
            return -errno;
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    tree = fsmount(context, FSMOUNT_CLOEXEC, attributes);
    if (tree < 0)
        return -errno;
    *ret_tree = tree;
    return 0;
}

int mounts_make_memory(mode_t mode, uint64_t size, int *ret_tree) {
    char octal[16], bytes[24];
    const struct option options[] = {{"mode", octal}, {size > 0 ? "size" : NULL, bytes}, {NULL, NULL}};

    (void)snprintf(octal, sizeof(octal), "%o", (unsigned)mode);
    (void)snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)size);
    return make("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret_tree);
}

int mounts_make_proc(int *ret_tree) {
    const struct option none = {NULL, NULL};

    return make("proc", &none, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, ret_tree);
}

int mounts_make_terminals(int *ret_tree) {
    const struct option options[] = {{"ptmxmode", "0666"}, {"mode", "0600"}, {NULL, NULL}};

    return make("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, ret_tree);
}

static int put(int *tree, const char *path, unsigned flags) {
    int r = move_mount(*tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | flags) < 0 ? -errno : 0;

    fd_close(tree);
    return r;
}

int mounts_put(int *tree, const char *path) {
    return put(tree, path, MOVE_MOUNT_T_SYMLINKS);
}

int mounts_put_on(int *tree, const char *path) {
    return put(tree, path, 0);
}

int mounts_cover_file(const char *path) {
    int tree = -EBADF, r = mounts_take("/dev/null", &tree);

    return r == 0 ? mounts_put(&tree, path) : r;
}

int mounts_cover_directory(const char *path) {
    int tree = -EBADF, r = mounts_make_memory(0700, 0, &tree);

    return r == 0 ? mounts_put(&tree, path) : r;
}

int mounts_shut_path(const char *path) {
    int tree = -EBADF, r = mounts_take(path, &tree);

    if (r < 0)
        return r;
    r = mounts_shut(tree);
    if (r == 0)
        return mounts_put(&tree, path);
    fd_close(&tree);
    return r;
}

int mounts_shut_one(const char *path) {
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

    return mount_setattr(AT_FDCWD, path, 0, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mounts_pivot(const char *path) {
    /* pivot_root(2): with "." for both, the old root lies over the new one until it is taken off */
    if (chdir(path) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return -errno;
    return 0;
}
