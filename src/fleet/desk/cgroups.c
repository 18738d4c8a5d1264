#include "fleet/desk/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "fleet/desk/cgroup_place.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
#define TASK "task-"
#define NAME_SIZE 40
#define KERNEL_FILE (256 * 1024) /* of /proc/self/mountinfo that is read */
#define AGAIN_MS 100             /* from one attempt to remove what is left to the next */
#define DEPTH 16                 /* of cgroups that a task may have made in its own */
#define CPU_PERIOD_US 100000

static int write_word(int directory, const char *file, const char *word) {
    _cleanup_close_ int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd_write_all(fd, word, strlen(word));
}

static int read_file(int directory, const char *path, char *to, size_t size, struct slice *ret) {
    _cleanup_close_ int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -errno : fd_read_all(fd, to, size);

    if (n < 0)
        return (int)n;
    *ret = slice_of(to, (size_t)n);
    return 0;
}

static int find_place(struct cgroup_place *ret) {
    _cleanup_free_ char *mounts = malloc(KERNEL_FILE);
    char own[PATH_MAX + 256];
    struct slice self_cgroup = SLICE_EMPTY, mountinfo = SLICE_EMPTY;
    int r;

    if (!mounts)
        return -ENOMEM;
    r = read_file(AT_FDCWD, "/proc/self/cgroup", own, sizeof(own), &self_cgroup);
    if (r == 0)
        r = read_file(AT_FDCWD, "/proc/self/mountinfo", mounts, KERNEL_FILE, &mountinfo);
    return r == 0 ? cgroup_place_find(self_cgroup, mountinfo, ret) : r;
}

static bool is_marked(int directory) {
    char mark = '\0';

    return (fgetxattr(directory, "user.delegate", &mark, 1) == 1 ||
            fgetxattr(directory, "trusted.delegate", &mark, 1) == 1) &&
           mark == '1';
}

/*
 * To whom it was given may write there. Root may everywhere, so there the service manager's mark counts
 * (systemd.resource-control(5), Delegate=), or that nobody else's cgroups can be seen from here, as in a container.
 */
static bool is_delegated(int directory, bool is_root_of_all) {
    return (geteuid() != 0 || is_root_of_all || is_marked(directory)) &&
           faccessat(directory, ".", W_OK, AT_EACCESS) == 0 &&
           faccessat(directory, "cgroup.procs", W_OK, AT_EACCESS) == 0;
}

/* Below our own cgroup nobody but tasks may stand in one with controllers (cgroups(7), "no internal processes"). */
static int step_aside(int own) {
    _cleanup_close_ int leaf = -EBADF;

    if (mkdirat(own, "supervisor", 0755) < 0 && errno != EEXIST)
        return -errno;
    leaf = openat(own, "supervisor", DIRECTORY);
    return leaf < 0 ? -errno : write_word(leaf, "cgroup.procs", "0");
}

static int enable_in(int directory, const char *word) {
    return write_word(directory, "cgroup.subtree_control", word);
}

/* For our own cgroup's children, and for theirs. */
static bool enable(const struct cgroups *cgroups, const char *word) {
    int r = enable_in(cgroups->own, word);

    if (r == -EBUSY) {
        r = step_aside(cgroups->own);
        if (r == 0)
            r = enable_in(cgroups->own, word);
    }
    return r == 0 && enable_in(cgroups->parent, word) == 0;
}

static bool has_word(struct slice text, struct slice word) {
    while (text.p)
        if (slice_equals(slice_cut(&text, ' '), word))
            return true;
    return false;
}

static void enable_all(struct cgroups *cgroups) {
    char text[512];
    struct slice there = SLICE_EMPTY;

    if (read_file(cgroups->own, "cgroup.controllers", text, sizeof(text), &there) < 0)
        return;
    if (there.n > 0 && there.p[there.n - 1] == '\n')
        there.n--;
    cgroups->has_memory = has_word(there, SLICE("memory")) && enable(cgroups, "+memory");
    cgroups->has_cpu = has_word(there, SLICE("cpu")) && enable(cgroups, "+cpu");
    cgroups->has_processes = has_word(there, SLICE("pids")) && enable(cgroups, "+pids");
}

static void name_of(uint64_t number, const char *file, char to[static NAME_SIZE]) {
    (void)snprintf(to, NAME_SIZE, TASK "%" PRIu64 "%s", number, file);
}

/* From the leaves on: a cgroup with others in it is not removed. True when it is gone. */
static bool remove_tree(int parent, const char *name, unsigned depth) {
    int fd = depth < DEPTH ? openat(parent, name, DIRECTORY) : -EBADF;
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (fd >= 0 && !directory)
        fd_close(&fd);
    while (directory && (entry = readdir(directory)) != NULL)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            (void)remove_tree(dirfd(directory), entry->d_name, depth + 1);
    if (directory)
        (void)closedir(directory);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static bool remove_one(struct cgroups *cgroups, uint64_t number) {
    char name[NAME_SIZE];

    cgroups_kill(cgroups, number);
    name_of(number, "", name);
    return remove_tree(cgroups->parent, name, 0);
}

static void try_again(struct timer *timer) {
    struct cgroups *cgroups = container_of(timer, struct cgroups, again);
    size_t n = 0;

    for (size_t i = 0; i < cgroups->n_left; i++)
        if (!remove_one(cgroups, cgroups->left[i]))
            cgroups->left[n++] = cgroups->left[i];
    cgroups->n_left = n;
    if (n > 0)
        timer_set(timer, AGAIN_MS);
}

/* Without memory it stays, empty, till the next runner comes. */
static void keep_for_later(struct cgroups *cgroups, uint64_t number) {
    if (cgroups->n_left == cgroups->room) {
        size_t room = MAX_OF(2 * cgroups->room, (size_t)16);
        uint64_t *left = realloc(cgroups->left, room * sizeof(*left));

        if (!left)
            return;
        cgroups->left = left;
        cgroups->room = room;
    }
    cgroups->left[cgroups->n_left++] = number;
    if (!timer_is_set(&cgroups->again))
        timer_set(&cgroups->again, AGAIN_MS);
}

/* Nobody else has this spool, so nobody's tasks are there that live. */
static void end_leftovers(struct cgroups *cgroups) {
    int fd = openat(cgroups->parent, ".", DIRECTORY);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    size_t n = 0;

    if (fd >= 0 && !directory)
        fd_close(&fd);
    while (directory && (entry = readdir(directory)) != NULL) {
        struct slice name = slice_of_string(entry->d_name);
        uint64_t number;

        if (!slice_starts_with(name, SLICE(TASK)) || num_parse(slice_from(name, strlen(TASK)), UINT64_MAX, &number) < 0)
            continue;
        cgroups_remove(cgroups, number);
        n++;
    }
    if (directory)
        (void)closedir(directory);
    if (n > 0)
        log_warning("%zu task%s of a runner before this one had a cgroup still: what was in it is ended", n,
                    n == 1 ? "" : "s");
}

static int open_parent(struct cgroups *cgroups, int spool) {
    struct stat st;

    if (fstat(spool, &st) < 0)
        return -errno;
    (void)snprintf(cgroups->name, sizeof(cgroups->name), "credfd-%" PRIx64 "-%" PRIx64, (uint64_t)st.st_dev,
                   (uint64_t)st.st_ino);
    if (mkdirat(cgroups->own, cgroups->name, 0755) < 0 && errno != EEXIST)
        return -errno;
    cgroups->parent = openat(cgroups->own, cgroups->name, DIRECTORY);
    if (cgroups->parent < 0)
        return -errno;
    return faccessat(cgroups->parent, "cgroup.kill", F_OK, 0) < 0 ? -errno : 0; /* since Linux 5.14 */
}

static int open_own(struct cgroups *cgroups, const struct cgroup_place *place) {
    cgroups->own = open(place->path, DIRECTORY);
    if (cgroups->own < 0)
        return -errno;
    return is_delegated(cgroups->own, place->is_root) ? 0 : -EACCES;
}

static void say(const struct cgroups *cgroups, const struct cgroup_place *place) {
    bool has_any = cgroups->has_memory || cgroups->has_cpu || cgroups->has_processes;

    log_info("each task has a cgroup in %s/%s, with limits of%s%s%s%s", place->path, cgroups->name,
             cgroups->has_memory ? " memory" : "", cgroups->has_cpu ? " cpu" : "",
             cgroups->has_processes ? " processes" : "", has_any ? "" : " nothing: no controller is given to us there");
}

void cgroups_start(struct cgroups *cgroups, int spool) {
    struct cgroup_place place;
    int r;

    *cgroups = (struct cgroups){.own = -EBADF, .parent = -EBADF, .again = {.on_expiry = try_again}};
    r = find_place(&place);
    if (r == 0)
        r = open_own(cgroups, &place);
    if (r == 0)
        r = open_parent(cgroups, spool);
    if (r < 0) {
        log_info("no cgroup is given to us (%s): each process of a task is limited by itself; a service gets one by "
                 "Delegate=yes",
                 strerror(-r));
        fd_close(&cgroups->parent);
        fd_close(&cgroups->own);
        return;
    }
    end_leftovers(cgroups);
    enable_all(cgroups);
    say(cgroups, &place);
}

static int write_number(int directory, const char *file, uint64_t value, const char *behind) {
    char text[64];

    (void)snprintf(text, sizeof(text), "%" PRIu64 "%s", value, behind);
    return write_word(directory, file, text);
}

static int set_limits(const struct cgroups *cgroups, int directory, const struct task_limits *limits) {
    int r = 0;

    if (cgroups->has_memory && limits->memory > 0) {
        r = write_number(directory, "memory.max", limits->memory, "");
        if (r == 0) /* half a task that is left over is worth nothing, and swap is memory */
            r = write_word(directory, "memory.oom.group", "1");
        (void)write_word(directory, "memory.swap.max", "0"); /* not there where there is no swap */
    }
    if (r == 0 && cgroups->has_cpu && limits->cpu_milli > 0)
        r = write_number(directory, "cpu.max", limits->cpu_milli * (CPU_PERIOD_US / 1000), " 100000");
    if (r == 0 && cgroups->has_processes && limits->processes > 0)
        r = write_number(directory, "pids.max", limits->processes, "");
    return r;
}

int cgroups_make(struct cgroups *cgroups, uint64_t number, const struct task_limits *limits) {
    _cleanup_close_ int directory = -EBADF;
    char name[NAME_SIZE];
    int r;

    if (cgroups->parent < 0)
        return -EBADF;
    name_of(number, "", name);
    if (mkdirat(cgroups->parent, name, 0755) < 0)
        return -errno;
    directory = openat(cgroups->parent, name, DIRECTORY);
    r = directory < 0 ? -errno : set_limits(cgroups, directory, limits);
    if (r < 0) {
        cgroups_remove(cgroups, number);
        return r;
    }
    return fd_steal(&directory);
}

void cgroups_kill(struct cgroups *cgroups, uint64_t number) {
    char name[NAME_SIZE];

    if (cgroups->parent < 0)
        return;
    name_of(number, "/cgroup.kill", name);
    (void)write_word(cgroups->parent, name, "1"); /* it may have gone */
}

void cgroups_remove(struct cgroups *cgroups, uint64_t number) {
    if (cgroups->parent >= 0 && !remove_one(cgroups, number))
        keep_for_later(cgroups, number);
}

void cgroups_stop(struct cgroups *cgroups) {
    if (cgroups->parent >= 0)
        try_again(&cgroups->again);
    timer_cancel(&cgroups->again);
    if (cgroups->parent >= 0)
        (void)unlinkat(cgroups->own, cgroups->name, AT_REMOVEDIR);
    fd_close(&cgroups->parent);
    fd_close(&cgroups->own);
    free(cgroups->left);
    cgroups->left = NULL;
    cgroups->n_left = cgroups->room = 0;
}
