#include "sandbox/mount_list.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "base/num.h"
#include "base/slice.h"
#include "base/weaken.h"
#include "sandbox/mounts.h"
#include "sandbox/view_path.h"

/* File systems by which the kernel is told something. */
static const char *const kernels[] = {"proc",        "sysfs",    "cgroup",   "cgroup2",    "debugfs",
                                      "tracefs",     "bpf",      "configfs", "securityfs", "selinuxfs",
                                      "binfmt_misc", "efivarfs", "nfsd",     "pstore",     "rpc_pipefs"};

static void entry_done(struct mount_entry *entry) {
    free(entry->device);
    free(entry->root);
    free(entry->path);
    free(entry->type);
}

void mount_list_done(struct mount_list *list) {
    for (size_t i = 0; i < list->n; i++)
        entry_done(&list->all[i]);
    free(list->all);
    *list = (struct mount_list){NULL, 0};
}

static bool is_octal(const char *digits) {
    for (size_t i = 0; i < 3; i++)
        if (digits[i] < '0' || digits[i] > '7')
            return false;
    return true;
}

/* Blank, newline and backslash are written as octal numbers of three digits. NULL without memory. */
static char *unescape(struct slice text) {
    char *copy = strndup(text.p, text.n), *to = copy;

    for (const char *from = copy; from && *from; to++)
        if (*from == '\\' && is_octal(from + 1)) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    if (to)
        *to = '\0';
    return copy;
}

/* proc(5): id, parent, major:minor, root, mount point, options, further fields until "-", type, ... */
static int parse(struct slice line, struct mount_entry *ret) {
    struct mount_entry entry = {.id = 0};
    int r = num_parse(slice_cut(&line, ' '), INT_MAX, &entry.id);

    if (r < 0)
        return r;
    (void)slice_cut(&line, ' ');
    entry.device = unescape(slice_cut(&line, ' '));
    entry.root = unescape(slice_cut(&line, ' '));
    entry.path = unescape(slice_cut(&line, ' '));
    while (line.p && !slice_equals(slice_cut(&line, ' '), SLICE("-")))
        ;
    entry.type = unescape(line.p ? slice_cut(&line, ' ') : SLICE_EMPTY);
    if (entry.device && entry.root && entry.path && entry.type) {
        *ret = entry;
        return 0;
    }
    entry_done(&entry);
    return -ENOMEM;
}

static int add_line(struct mount_list *list, const char *line, size_t n) {
    struct mount_entry *more = reallocarray(list->all, list->n + 1, sizeof(*more));
    int r;

    if (!more)
        return -ENOMEM;
    list->all = more;
    r = parse(slice_of(line, n - (n > 0 && line[n - 1] == '\n')), &more[list->n]);
    if (r == 0)
        list->n++;
    return r;
}

int mount_list_read(struct mount_list *ret) {
    FILE *file = fopen("/proc/self/mountinfo", "re");
    struct mount_list list = {NULL, 0};
    _cleanup_free_ char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int r = 0;

    if (!file)
        return -errno;
    while (r == 0 && (n = getline(&line, &size, file)) > 0)
        r = add_line(&list, line, (size_t)n);
    (void)fclose(file);
    if (r == 0)
        *ret = list;
    else
        mount_list_done(&list);
    return r;
}

static const struct mount_entry *find_mount(const struct mount_list *list, uint64_t id) {
    for (size_t i = 0; i < list->n; i++)
        if (list->all[i].id == id)
            return &list->all[i];
    return NULL;
}

/* What comes behind `top` in `path`, which lies in it: empty, or with a slash in front. */
static const char *behind(const char *path, const char *top) {
    return strcmp(top, "/") == 0 ? (strcmp(path, "/") == 0 ? "" : path) : path + strlen(top);
}

/* Where a mount of the same file system would show it, and really does. */
static int add_other(const struct mount_entry *mount, const char *within, const struct statx *file,
                     struct view_paths *paths) {
    char path[PATH_MAX];
    struct statx seen;

    if (!view_path_is_in(within, mount->root))
        return 0;
    if ((size_t)snprintf(path, sizeof(path), "%s%s", strcmp(mount->path, "/") == 0 ? "" : mount->path,
                         behind(within, mount->root)) >= sizeof(path))
        return 0;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &seen) < 0 || seen.stx_ino != file->stx_ino ||
        seen.stx_dev_major != file->stx_dev_major || seen.stx_dev_minor != file->stx_dev_minor)
        return 0; /* another is mounted above it, or it cannot be reached */
    return view_paths_add(paths, path);
}

static int add_others_of(const struct mount_list *list, const char *path, struct view_paths *paths) {
    const struct mount_entry *home;
    char within[PATH_MAX];
    struct statx file;
    int r = 0;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_MNT_ID, &file) < 0)
        return 0;
    home = file.stx_mask & STATX_MNT_ID ? find_mount(list, file.stx_mnt_id) : NULL;
    if (!home || !view_path_is_in(path, home->path))
        return 0;
    if ((size_t)snprintf(within, sizeof(within), "%s%s", strcmp(home->root, "/") == 0 ? "" : home->root,
                         behind(path, home->path)) >= sizeof(within))
        return 0;
    for (size_t i = 0; r == 0 && i < list->n; i++)
        if (&list->all[i] != home && strcmp(list->all[i].device, home->device) == 0)
            r = add_other(&list->all[i], within, &file, paths);
    return r;
}

int mount_list_add_others(const struct mount_list *list, struct view_paths *paths) {
    size_t n = WEAKENED(VIEW) ? 0 : paths->n; /* those that are added are not looked at again */
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_others_of(list, paths->paths[i], paths);
    return r;
}

static bool is_kernels(const struct mount_entry *mount) {
    if (strcmp(mount->path, "/proc") == 0)
        return false; /* what of it can be told has been seen to */
    for (size_t i = 0; i < ARRAY_LEN(kernels); i++)
        if (strcmp(mount->type, kernels[i]) == 0)
            return true;
    return false;
}

int mount_list_shut_kernels(struct view_fault *fault) {
    struct mount_list list = {.n = 0};
    int r = mount_list_read(&list);

    if (r < 0)
        return view_fail(fault, r, "cannot be read", "/proc/self/mountinfo");
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        if (WEAKENED(VIEW) || !is_kernels(&list.all[i]))
            continue;
        r = mounts_shut_one(list.all[i].path);
        if (r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -EINVAL)
            r = 0; /* covered by another mount, or out of reach: for the command too */
        if (r < 0)
            (void)view_fail(fault, r, "cannot be made read-only", list.all[i].path);
    }
    mount_list_done(&list);
    return r;
}
