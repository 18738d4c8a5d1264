#include "sandbox/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/slice.h"
#include "sandbox/view_path.h"

/* Where sockets lie that no process of our own network namespace has, and how deep to look. */
static const struct {
    const char *path;
    int depth;
    bool has_pipes; /* of services; elsewhere a pipe is somebody's work */
} usual[] = {{"/run", 4, true}, {"/dev", 1, true}, {"/dev/shm", 2, false}, {"/tmp", 3, false}, {"/var/tmp", 2, false}};
static const char *const usual_at_home[] = {".ssh", ".gnupg", ".docker/run", ".local/share/keyrings",
                                            ".colima/default"};

#define LOOK_DEPTH_AT_HOME 2
#define LOOK_ENTRIES ((size_t)LIMIT_HIDDEN * 16) /* a /tmp can be large */

struct search {
    struct view_paths *found;
    size_t left; /* entries that may still be looked at */
    bool has_pipes;
    bool is_anybodys; /* it goes on where anybody may make as many as he likes */
};

static int look(struct search *search, int parent, const char *name, const char *path, int depth);

/*
 * Whether somebody listens there: of what has been left behind by those that are gone anybody may make as many as he
 * likes. Who listens in this network namespace is known from the kernel's list; of the others it is seen by the error,
 * EPROTOTYPE: a datagram's socket disturbs no listener.
 */
static bool leads_somewhere(const char *path, const struct stat *st) {
    _cleanup_close_ int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    /* by its descriptor: a path may be longer than an address */
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
    if (file < 0 || fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return true;
    return errno != ECONNREFUSED && (errno != EACCES || st->st_uid == geteuid());
}

static int look_at(struct search *search, DIR *directory, const struct dirent *entry, const char *path, int depth,
                   bool has_pipes) {
    char full[PATH_MAX];
    struct stat st;

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return 0;
    if ((size_t)snprintf(full, sizeof(full), "%s/%s", path, entry->d_name) >= sizeof(full) ||
        fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISSOCK(st.st_mode) ? !view_paths_has(search->found, full) && leads_somewhere(full, &st)
                             : S_ISFIFO(st.st_mode) && has_pipes)
        return view_paths_add(search->found, full);
    return S_ISDIR(st.st_mode) && depth > 1 ? look(search, dirfd(directory), entry->d_name, full, depth - 1) : 0;
}

static int look_at_all(struct search *search, DIR *directory, const char *path, int depth, bool has_pipes) {
    const struct dirent *entry;
    int r = 0;

    while (r == 0 && search->left > 0 && (entry = readdir(directory)) != NULL) {
        search->left--;
        r = look_at(search, directory, entry, path, depth, has_pipes);
    }
    return r;
}

/* What anybody may fill is counted by itself: who fills /tmp, or /run/lock, hides nothing that lies elsewhere. */
static int look(struct search *search, int parent, const char *name, const char *path, int depth) {
    struct search apart = {
        .found = search->found, .left = LOOK_ENTRIES, .has_pipes = search->has_pipes, .is_anybodys = true};
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r;
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    bool is_anybodys;
    struct stat st;

    if (!directory) {
        fd_close(&fd);
        return 0; /* where we may not look, the command may neither */
    }
    is_anybodys = fstat(fd, &st) < 0 || (st.st_mode & S_IWOTH);
    /* where anybody may make a pipe, none is a service's */
    r = look_at_all(is_anybodys && !search->is_anybodys ? &apart : search, directory, path, depth,
                    search->has_pipes && !is_anybodys);
    (void)closedir(directory);
    return r;
}

/* The fourth column has the flags: __SO_ACCEPTCON; the fifth the type: a datagram's needs no listening. */
static bool is_reached(struct slice line) {
    uint64_t flags = 0, type = 0;

    for (int i = 0; i < 3; i++)
        (void)slice_cut(&line, ' ');
    return num_parse_hex(slice_cut(&line, ' '), UINT32_MAX, &flags) < 0 ||
           num_parse_hex(slice_cut(&line, ' '), UINT32_MAX, &type) < 0 || (flags & 0x10000) != 0 || type == SOCK_DGRAM;
}

/* unix(7) in proc(5): the eighth column, from a slash on, is the path that was bound. */
static int take_line(struct view_paths *found, const char *line) {
    const char *path = strchr(line, '/');
    struct stat st;

    /* many lines are of one path, and of paths that are no more */
    return path && is_reached(slice_of_string(line)) && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)
               ? view_paths_add(found, path)
               : 0;
}

static int read_kernels_list(struct view_paths *found) {
    FILE *file = fopen("/proc/self/net/unix", "re");
    _cleanup_free_ char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int r = 0;

    if (!file)
        return -errno;
    while (r == 0 && (n = getline(&line, &size, file)) > 0) {
        line[n - (line[n - 1] == '\n')] = '\0';
        r = take_line(found, line);
    }
    (void)fclose(file);
    return r;
}

/* One place's entries are not counted against another's. */
static int look_in(struct view_paths *found, const char *path, int depth, bool has_pipes) {
    struct search search = {.found = found, .left = LOOK_ENTRIES, .has_pipes = has_pipes};

    return look(&search, AT_FDCWD, path, path, depth);
}

static int look_at_home(struct view_paths *found) {
    const char *home = getenv("HOME");
    char path[PATH_MAX];
    int r = home && home[0] == '/' ? look_in(found, home, 1, false) : 0;

    for (size_t i = 0; r == 0 && home && home[0] == '/' && i < ARRAY_LEN(usual_at_home); i++)
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", home, usual_at_home[i]) < sizeof(path))
            r = look_in(found, path, LOOK_DEPTH_AT_HOME, false);
    return r;
}

int view_find_sockets(struct view_paths *ret) {
    struct view_paths found = {NULL, 0};
    int r = read_kernels_list(&found);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(usual); i++)
        r = look_in(&found, usual[i].path, usual[i].depth, usual[i].has_pipes);
    if (r == 0)
        r = look_at_home(&found);
    if (r == 0)
        *ret = found;
    else
        view_paths_done(&found);
    return r;
}

static const char *const variables[] = {
    "CONTAINER_HOST",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SESSION_BUS_PID",
    "DBUS_STARTER_ADDRESS",
    "DBUS_STARTER_BUS_TYPE",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DISPLAY",
    "DOCKER_HOST",
    "GNOME_KEYRING_CONTROL",
    "GPG_AGENT_INFO",
    "I3SOCK",
    "KITTY_LISTEN_ON",
    "KRB5CCNAME",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NIRI_SOCKET",
    "NOTIFY_SOCKET",
    "NVIM",
    "PIPEWIRE_REMOTE",
    "PULSE_SERVER",
    "SESSION_MANAGER",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "STY",
    "SUDO_ASKPASS",
    "SWAYSOCK",
    "TMUX",
    "VSCODE_GIT_IPC_HANDLE",
    "VSCODE_IPC_HOOK",
    "VSCODE_IPC_HOOK_CLI",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "XAUTHORITY",
};

bool view_hides_variable(const char *name, size_t length) {
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (slice_equals(slice_of(name, length), slice_of_string(variables[i])))
            return true;
    return false;
}
