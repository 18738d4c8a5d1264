#include "sandbox/view.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
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
#include "sandbox/view_piece.h"
#include "sandbox/view_pin.h"
#include "sandbox/view_subject.h"

/* Where the new root is put together; what is seen there was taken before. */
#define ROOT "/tmp"

/* What programs are made of; ones that are not there are passed over. A link of the root stays a link. */
static const char *const the_system[] = {
    "/bin",
    "/etc",
    "/gnu",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix",
    "/opt",
    "/sbin",
    "/snap",
    "/sys",
    "/usr",
    "/var/cache/fontconfig",
    "/var/lib/dpkg",
    "/var/lib/rpm",
    "/var/lib/ca-certificates-java",
    "/run/current-system",
    "/run/opengl-driver",
};

/* Of the system; a plain user could not read most of them anyway. */
static const char *const keys[] = {
    "/etc/credfd",
    "/etc/docker",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ipsec.d/private",
    "/etc/ipsec.secrets",
    "/etc/krb5.keytab",
    "/etc/kubernetes",
    "/etc/letsencrypt",
    "/etc/mysql/debian.cnf",
    "/etc/NetworkManager/system-connections",
    "/etc/openvpn",
    "/etc/pki/tls/private",
    "/etc/postfix/sasl_passwd",
    "/etc/ppp/chap-secrets",
    "/etc/rancher",
    "/etc/security/opasswd",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh/ssh_host_dsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssl/private",
    "/etc/sssd",
    "/etc/wireguard",
};

/* What the kernel is told by files of /proc, and root outside would be the one who said it. */
static const char *const told_to_kernel[] = {"/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs"};
static const char *const of_kernel[] = {"/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/keys",
                                        "/proc/key-users",     "/proc/acpi",  "/proc/scsi"};

/* Directories that are not the command's to write because somebody started it there: each has a fresh one, or none. */
static const char *const no_work[] = {"/",     "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt",
                                      "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr",  "/var"};
static const char *const no_work_below[] = {"/dev", "/etc", "/proc", "/sys"};

struct composition {
    const struct view_want *want;
    struct view_fault *fault;
    struct pieces pieces;
    struct view_subjects subjects;
    char cwd[PATH_MAX];
};

static int take_system(struct composition *it) {
    for (size_t i = 0; i < ARRAY_LEN(the_system); i++) {
        struct stat st;
        int r = lstat(the_system[i], &st) < 0 || S_ISLNK(st.st_mode)
                    ? 0
                    : pieces_take(&it->pieces, the_system[i], PIECE_READABLE);

        if (r < 0)
            return view_fail(it->fault, r, "cannot be taken along", the_system[i]);
    }
    return 0;
}

static int take_wanted(struct composition *it, const char *const *paths, size_t n, enum piece_kind kind) {
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *path = realpath(paths[i], NULL);
        int r = !path ? -errno : strcmp(path, "/") == 0 ? -EINVAL : pieces_take(&it->pieces, path, kind);

        if (r < 0)
            return view_fail(it->fault, r,
                             kind == PIECE_WRITABLE ? "--write: cannot be shown" : "--read: cannot be shown", paths[i]);
    }
    return 0;
}

static bool is_place_to_work(const char *path) {
    for (size_t i = 0; i < ARRAY_LEN(no_work); i++)
        if (strcmp(path, no_work[i]) == 0)
            return false;
    for (size_t i = 0; i < ARRAY_LEN(no_work_below); i++)
        if (view_path_is_in(path, no_work_below[i]))
            return false;
    return true;
}

bool view_replaces(const char *path) {
    static const char *const fresh[] = {"/tmp", "/run", "/dev/shm"};

    for (size_t i = 0; i < ARRAY_LEN(fresh); i++)
        if (strcmp(path, fresh[i]) == 0)
            return true;
    return view_path_is_in(path, "/dev/shm"); /* of the others what lies below is shown */
}

static int take_paths(struct composition *it) {
    const struct view_want *want = it->want;
    int r;

    if (!getcwd(it->cwd, sizeof(it->cwd)))
        return view_fail(it->fault, -errno, "there is no working directory", "");
    r = is_place_to_work(it->cwd) ? pieces_take(&it->pieces, it->cwd, PIECE_WRITABLE) : 0;
    if (r < 0)
        return view_fail(it->fault, r, "the working directory cannot be taken along", it->cwd);
    r = take_wanted(it, want->readable, want->n_readable, PIECE_READABLE);
    if (r == 0)
        r = take_wanted(it, want->writable, want->n_writable, PIECE_WRITABLE);
    if (r < 0 || !want->doors)
        return r;
    r = pieces_take(&it->pieces, want->doors, PIECE_READABLE);
    return r < 0 ? view_fail(it->fault, r, "the doors' directory cannot be taken along", want->doors) : 0;
}

/* Where programs may leave what they like until the command ends. */
static int make_fresh(struct composition *it) {
    const char *home = getenv("HOME");
    char runtime[64];
    const struct {
        const char *path;
        mode_t mode;
    } fresh[] = {{"/tmp", 01777},      {"/var/tmp", 01777}, {"/dev/shm", 01777}, {"/run", 0755},
                 {"/run/lock", 01777}, {runtime, 0700},     {home, 0700}};

    (void)snprintf(runtime, sizeof(runtime), "/run/user/%u", (unsigned)geteuid());
    for (size_t i = 0; i < ARRAY_LEN(fresh); i++) {
        const char *path = fresh[i].path;
        int r;

        if (path == home && (!home || home[0] != '/' || !is_place_to_work(home) || view_path_is_in(home, "/usr")))
            continue;
        r = pieces_add_memory(&it->pieces, path, fresh[i].mode);
        if (r < 0)
            return view_fail(it->fault, r, "cannot be made", path);
    }
    return 0;
}

static int make_proc(struct composition *it) {
    int tree = -EBADF, r = mounts_make_proc(&tree);

    if (r == 0)
        r = pieces_add(&it->pieces, "/proc", PIECE_WRITABLE, &tree, true);
    return r < 0 ? view_fail(it->fault, r, "no /proc of its own; a container that covers parts of its own forbids it",
                             "/proc")
                 : 0;
}

static int link_root(struct composition *it) {
    char name[64], to[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(the_system); i++) {
        ssize_t n = readlink(the_system[i], to, sizeof(to) - 1);

        if (n <= 0)
            continue;
        to[n] = '\0';
        (void)snprintf(name, sizeof(name), ROOT "%s", the_system[i]);
        if (symlink(to, name) < 0 && errno != EEXIST && errno != ENOENT)
            return view_fail(it->fault, -errno, "cannot be linked", the_system[i]);
    }
    if (symlink("/run", ROOT "/var/run") < 0 && errno != EEXIST)
        return view_fail(it->fault, -errno, "cannot be linked", "/var/run");
    return view_device_finish(ROOT, it->fault);
}

/* Of those who live outside of /home too: it lies in what was taken along as a part of the system. */
static int cover_homes(struct composition *it) {
    FILE *users = fopen("/etc/passwd", "re");
    const struct passwd *user;
    int r = 0;

    while (users && r == 0 && (user = fgetpwent(users)) != NULL)
        if (strncmp(user->pw_dir, "/opt/", 5) == 0 && !view_path_is_in(it->cwd, user->pw_dir))
            r = view_path_cover(ROOT, user->pw_dir);
    if (users)
        (void)fclose(users);
    return r < 0 ? view_fail(it->fault, r, "a home cannot be covered", "/opt") : 0;
}

static int shut_kernel(struct composition *it) {
    char path[64];

    for (size_t i = 0; i < ARRAY_LEN(told_to_kernel) && !WEAKENED(VIEW); i++) {
        int r;

        (void)snprintf(path, sizeof(path), ROOT "%s", told_to_kernel[i]);
        r = mounts_shut_path(path);
        if (r < 0 && r != -ENOENT)
            return view_fail(it->fault, r, "cannot be made read-only", told_to_kernel[i]);
    }
    return view_path_cover_all(ROOT, of_kernel, ARRAY_LEN(of_kernel), NULL, it->cwd, it->fault);
}

static int cover(struct composition *it) {
    int r = view_path_cover_all(ROOT, keys, ARRAY_LEN(keys), NULL, "", it->fault);

    if (r == 0)
        r = cover_homes(it);
    if (r == 0)
        r = view_subjects_cover(ROOT, &it->subjects, it->want->doors, it->cwd, it->fault);
    return r == 0 ? shut_kernel(it) : r;
}

static int gather(struct composition *it, const struct view_paths *sockets) {
    int r = view_subjects_find(it->want, sockets, &it->subjects, it->fault);

    if (r == 0)
        r = view_device_gather(&it->pieces, it->fault);
    if (r == 0)
        r = make_proc(it);
    if (r == 0)
        r = make_fresh(it);
    if (r == 0)
        r = take_system(it);
    return r == 0 ? take_paths(it) : r; /* last: of two at one path the later one counts */
}

static int lay(struct composition *it) {
    const char *where = ROOT;
    int root, r = mounts_make_memory(0755, 0, &root);

    if (r == 0)
        r = mounts_put(&root, ROOT);
    if (r == 0)
        r = pieces_lay(&it->pieces, ROOT, &where);
    if (r < 0)
        return view_fail(it->fault, r, "cannot be put into the new root", where);
    r = link_root(it);
    if (r == 0)
        r = cover(it);
    if (r < 0)
        return r;
    r = mounts_shut_one(ROOT);
    if (r < 0)
        return view_fail(it->fault, r, "cannot be made read-only", "/");
    /* in what is shut nothing moves, and so nothing is opened again by a mount of its own */
    r = view_pin_all(ROOT, &it->subjects.steps, it->fault);
    if (r < 0)
        return r;
    r = mounts_pivot(ROOT);
    if (r < 0)
        return view_fail(it->fault, r, "the new root cannot be entered", "/");
    r = mount_list_shut_kernels(it->fault);
    if (r < 0)
        return r;
    return chdir(it->cwd) < 0 ? view_fail(it->fault, -errno, "the working directory is not seen", it->cwd) : 0;
}

static int note(char **paths, size_t *n, size_t max, const char *path) {
    if (*n == max)
        return -E2BIG;
    paths[*n] = strdup(path);
    return paths[*n] ? (++*n, 0) : -ENOMEM;
}

/* What may be read, and what may be written to: the second wall is where the first one is. */
static int note_places(struct composition *it, struct view_places *ret) {
    struct view_places places = {.n_readable = 0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < it->pieces.n; i++) {
        const struct piece *piece = &it->pieces.all[i];

        r = piece->kind == PIECE_READABLE
                ? note(places.readable, &places.n_readable, ARRAY_LEN(places.readable), piece->path)
                : note(places.writable, &places.n_writable, ARRAY_LEN(places.writable), piece->path);
    }
    if (r < 0) {
        view_places_done(&places);
        return view_fail(it->fault, r, "too many paths", "");
    }
    *ret = places;
    return 0;
}

void view_places_done(struct view_places *places) {
    for (size_t i = 0; i < places->n_readable; i++)
        free(places->readable[i]);
    for (size_t i = 0; i < places->n_writable; i++)
        free(places->writable[i]);
    *places = (struct view_places){.n_readable = 0};
}

int view_compose(const struct view_want *want, const struct view_paths *sockets, struct view_places *ret,
                 struct view_fault *ret_fault) {
    struct composition it = {.want = want, .fault = ret_fault};
    mode_t mask = umask(022);
    int r = mounts_own();

    if (r < 0)
        (void)view_fail(ret_fault, r, "the mounts cannot be made this process's own", "/");
    else
        r = gather(&it, sockets);
    if (r == 0)
        r = lay(&it);
    if (r == 0)
        r = note_places(&it, ret);
    pieces_done(&it.pieces);
    view_subjects_done(&it.subjects);
    (void)umask(mask);
    return r;
}
