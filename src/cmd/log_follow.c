#include "cmd/log_follow.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

struct follow {
    struct log_view *view;
    char path[PATH_MAX];
    struct slice name;       /* its last part */
    int notices;             /* of inotify */
    struct log_lines lines;  /* of `current` */
    struct log_file current; /* the one that is being read; its fd is negative for none */
};

/* Behind a link: the folder of the file itself is told what happens to it. */
static int set_path(struct follow *follow, const char *path) {
    char resolved[PATH_MAX];
    const char *slash;
    int n = snprintf(follow->path, PATH_MAX, "%s", realpath(path, resolved) ? resolved : path);

    if (n < 0 || n >= PATH_MAX)
        return -ENAMETOOLONG;
    slash = strrchr(follow->path, '/');
    follow->name = slice_of_string(slash ? slash + 1 : follow->path);
    return 0;
}

static int listen_to_folder(struct follow *follow) {
    char folder[PATH_MAX];
    int n = (int)(follow->name.p - follow->path);

    (void)snprintf(folder, sizeof(folder), "%.*s", n, follow->path);
    follow->notices = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (follow->notices < 0)
        return -errno;
    return inotify_add_watch(follow->notices, n > 0 ? folder : ".",
                             IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0
               ? -errno
               : 0;
}

/* FILE, or one that was it; or anything, when notices were lost. -ENOENT when the folder itself has gone. */
static int is_about_us(const struct follow *follow, const struct inotify_event *event) {
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
        return -ENOENT;
    if (event->mask & IN_Q_OVERFLOW)
        return 1;
    return event->len > 0 && slice_starts_with(slice_of_string(event->name), follow->name);
}

/* All that have come: 1 when one of them is about us, 0, or -errno. */
static int read_notices(const struct follow *follow) {
    _Alignas(struct inotify_event) char events[4096];
    int r = 0;

    for (;;) {
        ssize_t n = read(follow->notices, events, sizeof(events));

        if (n < 0 && errno == EAGAIN)
            return r;
        if (n < 0 && errno != EINTR)
            return -errno;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(events + at);
            int about = is_about_us(follow, event);

            if (about < 0)
                return about;
            r |= about;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

/* Until something has happened to the file. -EPIPE when nobody reads what we print. */
static int wait_for_change(const struct follow *follow) {
    struct pollfd polled[] = {{.fd = follow->notices, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int r = 0;

    while (r == 0) {
        if (poll(polled, ARRAY_LEN(polled), -1) < 0 && errno != EINTR)
            return -errno;
        if (polled[1].revents & (POLLERR | POLLHUP))
            return -EPIPE;
        r = read_notices(follow);
    }
    return MIN_OF(r, 0);
}

static size_t find_current(const struct follow *follow, const struct log_files *files) {
    size_t i = 0;

    while (i < files->n &&
           (files->files[i].device != follow->current.device || files->files[i].inode != follow->current.inode))
        i++;
    return i;
}

static int read_from(struct follow *follow, struct log_file *file, bool is_last) {
    fd_close(&follow->current.fd);
    follow->current = *file;
    file->fd = -EBADF;
    log_lines_restart(&follow->lines, follow->current.fd);
    return is_last ? log_view_read(follow->view, &follow->lines) : log_view_read_whole(follow->view, &follow->lines);
}

/* To the end of the file that it was, then through all that came after it, and on in the newest. */
static int move_on(struct follow *follow, uint64_t *ret_number) {
    struct log_files files = {.n = 0};
    size_t i;
    int r = follow->current.fd < 0 ? 0 : log_view_read_whole(follow->view, &follow->lines);

    if (r == 0)
        r = log_files_open(follow->path, &files, ret_number);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    i = find_current(follow, &files);
    if (i == files.n && follow->current.fd >= 0)
        i = 1; /* it was deleted: what lies between is not known, and the newest is what is asked for */
    while (r == 0 && i-- > 0)
        r = read_from(follow, &files.files[i], i == 0);
    log_files_close(&files);
    return r;
}

static bool is_moved(const struct follow *follow) {
    struct stat st;

    return stat(follow->path, &st) == 0 &&
           (follow->current.fd < 0 || st.st_dev != follow->current.device || st.st_ino != follow->current.inode);
}

/* Emptied, as by logrotate's copytruncate: what is there now is new. */
static bool is_emptied(const struct follow *follow) {
    struct stat st;

    return fstat(follow->current.fd, &st) == 0 && (uint64_t)st.st_size < follow->lines.n_read;
}

static int read_on(struct follow *follow, uint64_t *ret_number) {
    if (is_moved(follow))
        return move_on(follow, ret_number);
    if (follow->current.fd < 0)
        return 0;
    if (is_emptied(follow)) {
        if (lseek(follow->current.fd, 0, SEEK_SET) < 0)
            return -errno;
        log_lines_restart(&follow->lines, follow->current.fd);
    }
    return log_view_read(follow->view, &follow->lines);
}

int log_follow(struct log_view *view, const char *path, uint64_t *ret_number) {
    struct follow follow = {.view = view, .notices = -EBADF, .current.fd = -EBADF};
    int r = set_path(&follow, path);

    *ret_number = 0;
    if (r == 0)
        r = listen_to_folder(&follow); /* first: no change falls in between */
    if (r == 0)
        r = log_lines_init(&follow.lines, -EBADF);
    if (r == 0)
        r = move_on(&follow, ret_number);
    while (r == 0) {
        r = fflush(stdout) == 0 ? wait_for_change(&follow) : -errno;
        if (r == 0)
            r = read_on(&follow, ret_number);
    }
    log_lines_done(&follow.lines);
    fd_close(&follow.current.fd);
    fd_close(&follow.notices);
    return r == -EPIPE ? 0 : r;
}
