#include "sandbox/view.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "sandbox/mount_list.h"
#include "sandbox/mounts.h"
#include "sandbox/view_device.h"
#include "sandbox/view_path.h"
#include "sandbox/view_pin.h"
#include "sandbox/view_subject.h"

/* Of agents and services: a socket that is made there later is not seen either. */
static const char *const agents[] = {
    "/run/user",           "/run/dbus",         "/run/systemd",    "/run/docker",        "/run/containerd",
    "/run/podman",         "/run/crio",         "/run/libvirt",    "/run/cups",          "/run/avahi-daemon",
    "/run/nscd",           "/run/pcscd",        "/run/screen",     "/run/tmux",          "/run/snapd",
    "/run/sshd",           "/run/tailscale",    "/run/postgresql", "/run/mysqld",        "/run/redis",
    "/run/credfd",         "/run/credfd-doors", "/run/uuidd",      "/run/iwd",           "/run/wpa_supplicant",
    "/run/NetworkManager", "/run/sudo",         "/run/lxd",        "/var/lib/sss/pipes", "/var/lib/lxd",
    "/tmp/.X11-unix",      "/tmp/.ICE-unix",    "/tmp/.XIM-unix",  "/tmp/.font-unix",    "/dev/mqueue",
};

/* By what agents call their directories in /tmp. */
static const char *const agents_in_tmp[] = {"ssh-*", "tmux-*", "gpg-*", "keyring-*", "dbus-*", "pulse-*", "screens"};

/* What the kernel is told by files, and what it does then it does outside: core_pattern, uevent_helper, SysRq. */
static const char *const told_to_kernel[] = {"/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/sys"};
static const char *const triggers[] = {"/proc/sysrq-trigger"};

/* Taken before anything is covered, put back after. */
struct saved {
    char cwd[PATH_MAX];
    struct view_subjects subjects;
    int doors, work; /* -EBADF: nothing to be put back */
};

static bool is_agents(const char *path) {
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The first is a name in /tmp, the rest patterns. */
static bool is_agents_name(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(agents_in_tmp); i++)
        if (fnmatch(agents_in_tmp[i], name, FNM_PERIOD) == 0)
            return true;
    return false;
}

/* Whether the working directory lies in one of those, so that it must be put back. */
static bool is_covered(const char *path) {
    char name[NAME_MAX + 1];
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(agents); i++)
        if (view_path_is_in(path, agents[i]) && strcmp(path, agents[i]) != 0)
            return true;
    if (strncmp(path, "/tmp/", 5) != 0)
        return false;
    n = strcspn(path + 5, "/");
    (void)snprintf(name, sizeof(name), "%.*s", (int)n, path + 5);
    return path[5 + n] != '\0' && is_agents_name(name);
}

static int save(struct saved *saved, const struct view_want *want, const struct view_paths *sockets,
                struct view_fault *fault) {
    int r = view_subjects_find(want, sockets, &saved->subjects, fault);

    if (r < 0)
        return r;
    if (!getcwd(saved->cwd, sizeof(saved->cwd)))
        return view_fail(fault, -errno, "there is no working directory", "");
    if (want->doors)
        r = mounts_take(want->doors, &saved->doors);
    if (r == 0 && want->doors)
        r = mounts_shut(saved->doors);
    if (r < 0)
        return view_fail(fault, r, "the doors' directory cannot be taken along", want->doors);
    r = is_covered(saved->cwd) ? mounts_take(saved->cwd, &saved->work) : 0;
    return r < 0 ? view_fail(fault, r, "the working directory cannot be taken along", saved->cwd) : 0;
}

static int put_back(int *tree, const char *path) {
    int r = *tree < 0 ? 0 : view_path_make(path, true);

    return r == 0 && *tree >= 0 ? mounts_put(tree, path) : r;
}

/* What covers the directory above would let nobody pass but this user, and a root's command may become another one. */
static int let_pass(const char *doors) {
    char above[PATH_MAX];

    (void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(doors, '/') - doors), doors);
    return is_covered(doors) && chmod(above, 0711) < 0 ? -errno : 0;
}

static int restore(struct saved *saved, const char *doors, struct view_fault *fault) {
    int r = put_back(&saved->work, saved->cwd);

    if (r == 0 && doors)
        r = put_back(&saved->doors, doors);
    if (r == 0 && doors)
        r = let_pass(doors);
    if (r < 0)
        return view_fail(fault, r, "cannot be put back", doors ? doors : saved->cwd);
    /* by its name: where it was before, what is covered could be reached by `..` */
    return chdir(saved->cwd) < 0 ? view_fail(fault, -errno, "the working directory is covered", saved->cwd) : 0;
}

static int cover_agents_in_tmp(struct view_fault *fault) {
    DIR *tmp = opendir("/tmp");
    const struct dirent *entry;
    char path[PATH_MAX];
    int r = 0;

    while (tmp && r == 0 && (entry = readdir(tmp)) != NULL) {
        (void)snprintf(path, sizeof(path), "/tmp/%s", entry->d_name);
        if (is_agents_name(entry->d_name) && is_agents(path))
            r = view_path_cover("", path);
    }
    if (tmp)
        (void)closedir(tmp);
    return r < 0 ? view_fail(fault, r, "cannot be covered", path) : 0;
}

/* A fresh one of this user's, for programs that keep something there. */
static int make_runtime_directory(struct view_fault *fault) {
    char path[64];

    (void)snprintf(path, sizeof(path), "/run/user/%u", (unsigned)geteuid());
    if (WEAKENED(VIEW) || !is_agents("/run/user") || mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return view_fail(fault, -errno, "cannot be made", path);
}

static int cover_agents(struct view_fault *fault) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(agents); i++) {
        r = is_agents(agents[i]) ? view_path_cover("", agents[i]) : 0;
        if (r < 0)
            return view_fail(fault, r, "cannot be covered", agents[i]);
    }
    r = cover_agents_in_tmp(fault);
    return r == 0 ? make_runtime_directory(fault) : r;
}

static int shut_kernel(struct view_fault *fault) {
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(told_to_kernel) && !WEAKENED(VIEW); i++) {
        r = is_agents(told_to_kernel[i]) ? mounts_shut_path(told_to_kernel[i]) : 0;
        if (r < 0)
            return view_fail(fault, r, "cannot be made read-only", told_to_kernel[i]);
    }
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(triggers); i++)
        r = view_path_cover("", triggers[i]);
    return r < 0 ? view_fail(fault, r, "cannot be covered", triggers[0]) : 0;
}

static void saved_done(struct saved *saved) {
    view_subjects_done(&saved->subjects);
    fd_close(&saved->doors);
    fd_close(&saved->work);
}

int view_cover(const struct view_want *want, const struct view_paths *sockets, struct view_fault *ret_fault) {
    struct saved saved = {.doors = -EBADF, .work = -EBADF};
    int r = mounts_own();

    if (r < 0)
        return view_fail(ret_fault, r, "the mounts cannot be made this process's own", "/");
    r = save(&saved, want, sockets, ret_fault);
    if (r == 0)
        r = view_pin_all("", &saved.subjects.steps, ret_fault);
    if (r == 0 && geteuid() == 0 && !WEAKENED(VIEW)) /* every device is root's */
        r = view_device_replace(ret_fault);
    if (r == 0)
        r = cover_agents(ret_fault);
    if (r == 0) /* before the rest: what is put back has sockets and keys in it too */
        r = restore(&saved, want->doors, ret_fault);
    if (r == 0)
        r = view_subjects_cover("", &saved.subjects, want->doors, saved.cwd, ret_fault);
    if (r == 0)
        r = shut_kernel(ret_fault);
    if (r == 0)
        r = mount_list_shut_kernels(ret_fault);
    saved_done(&saved);
    return r;
}
