#include "fleet/task/exec_descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/slice.h"

#define PLACE_MAX 64       /* a path in /proc */
#define CHILDREN_MAX 65536 /* bytes of one list of children that are read at once */
#define FAMILY_MAX 65536   /* those that are found at once; the rest is found at the next look */
#define STOPPING_PASSES 16 /* looks for those that came while others were stopped */

struct relative {
    pid_t pid, parent;
};

/* In the order in which they are found: each behind its parent. */
struct family {
    struct relative *members;
    size_t n, size;
};

static void add(struct family *family, pid_t pid, pid_t parent) {
    if (family->n == FAMILY_MAX)
        return;
    if (family->n == family->size) {
        size_t size = MAX_OF(family->size * 2, (size_t)64);
        struct relative *members = realloc(family->members, size * sizeof(*members));

        if (!members)
            return; /* these are found once others are gone */
        family->members = members;
        family->size = size;
    }
    family->members[family->n++] = (struct relative){pid, parent};
}

/* The kernel's list (proc(5), /proc/PID/task/TID/children): numbers, each with a blank behind it. */
static void read_children(const char *path, pid_t parent, struct family *family) {
    static char text[CHILDREN_MAX];
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? fd : fd_read_all(fd, text, sizeof(text));
    struct slice rest = slice_of(text, n < 0 ? 0 : (size_t)n);

    while (slice_has(rest, ' ')) {
        uint64_t pid;

        if (num_parse(slice_cut(&rest, ' '), INT32_MAX, &pid) == 0)
            add(family, (pid_t)pid, parent);
    }
}

/* A child belongs to the thread that made it. */
static void find_children(pid_t parent, struct family *family) {
    char path[PLACE_MAX];
    const struct dirent *entry;
    DIR *threads;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
    threads = opendir(path);
    while (threads && (entry = readdir(threads)) != NULL) {
        uint64_t thread;

        if (num_parse(slice_of_string(entry->d_name), INT32_MAX, &thread) < 0)
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)thread);
        read_children(path, parent, family);
    }
    if (threads)
        (void)closedir(threads);
}

/* The fourth word of /proc/PID/stat; the second may hold anything, and ends with the last bracket. -1: it is gone. */
static pid_t parent_of(pid_t pid) {
    char path[PLACE_MAX], text[512];
    _cleanup_close_ int fd = -EBADF;
    struct slice rest;
    const char *bracket;
    uint64_t parent;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : fd_read_all(fd, text, sizeof(text));
    bracket = n > 0 ? memrchr(text, ')', (size_t)n) : NULL;
    if (!bracket)
        return -1;
    rest = slice_from(slice_of(text, (size_t)n), (size_t)(bracket - text) + 2);
    (void)slice_cut(&rest, ' '); /* its state */
    return rest.p && num_parse(slice_cut(&rest, ' '), INT32_MAX, &parent) == 0 ? (pid_t)parent : -1;
}

/*
 * Once its pidfd is there the number cannot come to mean somebody else without the pidfd knowing; that it meant a
 * descendant then, its parent says: still the same, or us, who inherit what is orphaned.
 */
static bool signal_one(const struct relative *member, int signal) {
    _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, member->pid, 0);
    pid_t parent = pidfd < 0 ? -1 : parent_of(member->pid);

    return parent > 0 && (parent == member->parent || parent == getpid()) &&
           syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
}

size_t descendants_signal(int signal, size_t *ret_reached) {
    struct family family = {0};
    size_t n;

    *ret_reached = 0;
    find_children(getpid(), &family);
    for (size_t i = 0; i < family.n; i++) {
        struct relative member = family.members[i];

        *ret_reached += signal_one(&member, signal);
        find_children(member.pid, &family);
    }
    n = family.n;
    free(family.members);
    return n;
}

size_t descendants_kill(void) {
    size_t reached, before = 0, n = descendants_signal(SIGSTOP, &reached);

    for (unsigned pass = 0; n > before && pass < STOPPING_PASSES; pass++) {
        before = n;
        n = descendants_signal(SIGSTOP, &reached);
    }
    (void)descendants_signal(SIGKILL, &reached);
    return reached;
}
