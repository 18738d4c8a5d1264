#include "sandbox/view_device.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "sandbox/mounts.h"
#include "sandbox/view_path.h"

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

static const struct {
    const char *name, *to;
} links[] = {
    {"/dev/fd", "/proc/self/fd"},       {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/ptmx", "pts/ptmx"},
};

/* The command's terminal is seen as /dev/console, by which programs find its name; nobody else's is seen. */
static int take_terminal(struct pieces *pieces, struct view_fault *fault) {
    char terminal[PATH_MAX];

    for (int fd = 0; fd <= 2; fd++)
        if (ttyname_r(fd, terminal, sizeof(terminal)) == 0) {
            int tree = -EBADF, r = mounts_take(terminal, &tree);

            return r < 0 ? view_fail(fault, r, "the terminal cannot be taken along", terminal)
                         : pieces_add(pieces, "/dev/console", PIECE_DEVICE, &tree, false);
        }
    return 0;
}

int view_device_gather(struct pieces *pieces, struct view_fault *fault) {
    int tree, r = pieces_add_memory(pieces, "/dev", 0755);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(devices); i++)
        if ((r = pieces_take(pieces, devices[i], PIECE_DEVICE)) == -ENOENT)
            r = 0;
    if (r == 0)
        r = mounts_make_terminals(&tree);
    if (r == 0)
        r = pieces_add(pieces, "/dev/pts", PIECE_DEVICE, &tree, true);
    return r < 0 ? view_fail(fault, r, "cannot be made", "/dev") : take_terminal(pieces, fault);
}

int view_device_finish(const char *root, struct view_fault *fault) {
    char name[64];
    int r;

    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", root, links[i].name);
        if (symlink(links[i].to, name) < 0 && errno != EEXIST)
            return view_fail(fault, -errno, "cannot be linked", links[i].name);
    }
    (void)snprintf(name, sizeof(name), "%s/dev", root);
    r = mounts_shut_one(name);
    return r < 0 ? view_fail(fault, r, "cannot be made read-only", "/dev") : 0;
}

/* Where there is none, there is none. */
static int take_shared_memory(struct pieces *pieces) {
    struct stat st;

    return stat("/dev/shm", &st) == 0 && S_ISDIR(st.st_mode) ? pieces_take(pieces, "/dev/shm", PIECE_WRITABLE) : 0;
}

int view_device_replace(struct view_fault *fault) {
    struct pieces pieces = {.n = 0};
    const char *where = "/dev";
    int r = view_device_gather(&pieces, fault);

    if (r == 0) {
        r = take_shared_memory(&pieces);
        if (r == 0) /* what was taken before is not concerned: those are copies */
            r = mounts_still_devices_below("/");
        if (r == 0)
            r = pieces_lay(&pieces, "", &where);
        r = r < 0 ? view_fail(fault, r, "cannot be replaced", where) : view_device_finish("", fault);
    }
    pieces_done(&pieces);
    return r;
}
