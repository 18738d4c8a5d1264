#include "sandbox/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/slice.h"
#include "base/weaken.h"

/* user_namespaces(7): a map has 340 lines at most, and comes in one write of less than a page */
#define MAP_MAX 4095

int namespace_enter(const struct namespace_want *want) {
    int flags = CLONE_NEWUSER;

    if (want->has_network && !WEAKENED(NETWORK))
        flags |= CLONE_NEWNET | CLONE_NEWIPC;
    if (want->has_mounts)
        flags |= CLONE_NEWNS;
    if (want->has_processes)
        flags |= CLONE_NEWPID | CLONE_NEWIPC;
    return unshare(flags) < 0 ? -errno : 0;
}

static int write_file(pid_t pid, const char *name, struct slice text) {
    char path[64];
    ssize_t n = -1;
    int fd, r = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || (n = write(fd, text.p, text.n)) < 0)
        r = -errno;
    else if ((size_t)n != text.n)
        r = -EIO; /* a map is taken whole, or not at all */
    fd_close(&fd);
    return r;
}

static ssize_t read_file(const char *path, char *text, size_t size) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -errno : fd_read_all(fd, text, size - 1);

    text[n > 0 ? n : 0] = '\0';
    return n;
}

/* The next word of a line of columns. */
static struct slice next_word(struct slice *line) {
    while (line->n > 0 && line->p[0] == ' ')
        *line = slice_from(*line, 1);
    return slice_cut(line, ' ');
}

/* Everybody whom we know ourselves, by the number that we know him by: our own map, its second column as its first. */
static int write_everybody(pid_t child, const char *name, const char *ours) {
    char text[MAP_MAX + 1], map[MAP_MAX + 1];
    ssize_t n = read_file(ours, text, sizeof(text));
    struct slice lines = slice_of(text, n > 0 ? (size_t)n : 0);
    size_t used = 0;

    while (lines.n > 0) {
        struct slice line = slice_cut(&lines, '\n'), first = next_word(&line), count;
        int length;

        (void)next_word(&line);
        count = next_word(&line);
        length = snprintf(map + used, sizeof(map) - used, "%.*s %.*s %.*s\n", SLICE_ARG(first), SLICE_ARG(first),
                          SLICE_ARG(count));
        if (length < 0 || (size_t)length >= sizeof(map) - used)
            return -E2BIG;
        used += (size_t)length;
    }
    return used > 0 ? write_file(child, name, slice_of(map, used)) : -EIO;
}

static int write_one(pid_t child, const char *name, unsigned id) {
    char map[48];
    int n = snprintf(map, sizeof(map), "%u %u 1\n", id, id);

    return write_file(child, name, slice_of(map, (size_t)n));
}

/* Who may not speak for others speaks for himself. */
static int map_users(pid_t child) {
    int r = write_everybody(child, "uid_map", "/proc/self/uid_map");

    return r == -EPERM ? write_one(child, "uid_map", (unsigned)geteuid()) : r;
}

/* And may then not take himself out of groups (user_namespaces(7), CVE-2014-8989). */
static int map_groups(pid_t child) {
    int r = write_everybody(child, "gid_map", "/proc/self/gid_map");

    if (r != -EPERM)
        return r;
    r = write_file(child, "setgroups", SLICE("deny"));
    return r == 0 ? write_one(child, "gid_map", (unsigned)getegid()) : r;
}

int namespace_map(pid_t child) {
    int r = map_users(child);

    return r == 0 ? map_groups(child) : r;
}

int namespace_raise_loopback(void) {
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo"};

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
        return -errno;
    if (lo.ifr_flags & IFF_UP)
        return 0;
    lo.ifr_flags |= IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
}

/* How far one got that tried. */
enum trial { WENT_WELL, NOT_ENTERED, NOT_MAPPED, NO_LOOPBACK, NO_TRIAL };

struct attempt {
    enum trial reached;
    int error;
};

static void try_inside(const struct namespace_want *want, int line) {
    struct attempt attempt = {.reached = NOT_ENTERED};
    char go;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_DUMPABLE, 1); /* else its maps in /proc are root's, and a plain user could not write them */
    attempt.error = namespace_enter(want);
    (void)fd_write_all(line, &attempt, sizeof(attempt));
    if (attempt.error < 0 || fd_read_all(line, &go, 1) != 1)
        _exit(1);
    attempt.reached = NO_LOOPBACK;
    attempt.error = want->has_network ? namespace_raise_loopback() : 0;
    (void)fd_write_all(line, &attempt, sizeof(attempt));
    _exit(0);
}

static struct attempt watch_trial(pid_t child, int line) {
    struct attempt attempt;

    if (fd_read_all(line, &attempt, sizeof(attempt)) != sizeof(attempt))
        return (struct attempt){NO_TRIAL, -EIO};
    if (attempt.error < 0)
        return attempt;
    attempt = (struct attempt){NOT_MAPPED, namespace_map(child)};
    if (attempt.error < 0)
        return attempt;
    if (send(line, "", 1, MSG_NOSIGNAL) != 1 || fd_read_all(line, &attempt, sizeof(attempt)) != sizeof(attempt))
        return (struct attempt){NO_TRIAL, -EIO};
    if (attempt.error == 0)
        attempt.reached = WENT_WELL;
    return attempt;
}

static struct attempt attempt_in_child(const struct namespace_want *want) {
    struct attempt attempt;
    int line[2], r = fd_pair(SOCK_STREAM, line);
    pid_t child;

    if (r < 0)
        return (struct attempt){NO_TRIAL, r};
    child = fork();
    if (child == 0) {
        fd_close(&line[0]);
        try_inside(want, line[1]);
    }
    fd_close(&line[1]);
    attempt = child < 0 ? (struct attempt){NO_TRIAL, -errno} : watch_trial(child, line[0]);
    fd_close(&line[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return attempt;
}

static bool is_number_in(const char *path, const char *number) {
    char text[32];

    (void)read_file(path, text, sizeof(text));
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, number) == 0;
}

/* seccomp(2): mode 2 is a filter, which a container's runtime has put there. */
static bool is_filtered(void) {
    return prctl(PR_GET_SECCOMP) == 2;
}

static const char *why_not_entered(int error) {
    if (is_number_in("/proc/sys/user/max_user_namespaces", "0"))
        return "nobody may make a user namespace here (user.max_user_namespaces is 0); "
               "`sysctl user.max_user_namespaces=10000` as root mends it";
    if (is_number_in("/proc/sys/kernel/unprivileged_userns_clone", "0") && geteuid() != 0)
        return "only root may make a user namespace here; `sysctl kernel.unprivileged_userns_clone=1` as root mends it";
    if (error == -ENOSPC || error == -EUSERS)
        return "there are as many namespaces as there may be; raise user.max_user_namespaces, user.max_net_namespaces "
               "and their like (namespaces(7))";
    if ((error == -EPERM || error == -ENOSYS) && is_filtered())
        return "a filter of system calls forbids it, as containers have one; start the container with a seccomp "
               "profile that allows unshare, or isolate the container instead";
    if (error == -EPERM)
        return "this process may not: it runs in a chroot, or a security module forbids it; start it outside of that";
    if (error == -EINVAL || error == -ENOSYS)
        return "this kernel has no user namespaces; one with CONFIG_USER_NS does";
    return "the kernel refuses it";
}

const char *namespace_obstacle(const struct namespace_want *want) {
    struct attempt attempt = attempt_in_child(want);

    switch (attempt.reached) {
    case WENT_WELL:
        return NULL;
    case NOT_ENTERED:
        return why_not_entered(attempt.error);
    case NOT_MAPPED:
    case NO_LOOPBACK:
        if (is_number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
            return "AppArmor gives a plain user's namespace no rights; a profile for credfd with `userns,` does, or "
                   "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` as root";
        return attempt.reached == NOT_MAPPED ? "the kernel takes no map of users; a security module may forbid it"
                                             : "the loopback of a new network cannot be raised";
    case NO_TRIAL:
        break;
    }
    return "there is no process left to try it in";
}
