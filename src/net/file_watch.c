#include "net/file_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"

#define EVENTS                                                                                                         \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define READS_A_TURN 16 /* of a directory in which much happens */

/* One descriptor for all: a user may have 128 of them in all their processes together. */
static struct {
    int fd;
    struct watch watch;
    struct file_watch *first;
} inotify = {.fd = -EBADF};

/* Events that follow do not put it off: a look comes at last, however much happens. */
static void look_soon(struct file_watch *watch) {
    if (watch->look.deadline_ms > loop_now_ms() + FILE_LOOK_SOON)
        timer_set(&watch->look, FILE_LOOK_SOON);
}

/* Nothing counts but where it happened; -1 is for events that were lost. */
static void tell(int directory) {
    for (struct file_watch *watch = inotify.first; watch; watch = watch->next)
        if (directory == -1 || watch->directories[0] == directory || watch->directories[1] == directory)
            look_soon(watch);
}

static void events_ready(struct watch *watch) {
    _Alignas(struct inotify_event) char bytes[4096];

    for (unsigned i = 0; i < READS_A_TURN; i++) {
        const struct inotify_event *event;
        ssize_t n = read(inotify.fd, bytes, sizeof(bytes));

        if (n <= 0)
            return;
        for (const char *at = bytes; at < bytes + n; at += sizeof(*event) + event->len) {
            event = (const void *)at;
            tell(event->wd);
        }
    }
    watch_again(watch);
}

static void open_inotify(void) {
    if (inotify.fd >= 0)
        return;
    inotify.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify.fd >= 0 && watch_add(&inotify.watch, inotify.fd, events_ready) < 0)
        fd_close(&inotify.fd);
}

static void close_inotify(void) {
    watch_remove(&inotify.watch);
    fd_close(&inotify.fd);
}

/* Its number, or -1. A directory that is watched already keeps the one that it has. `path` is absolute. */
static int add_directory_of(const char *path) {
    size_t n = (size_t)(strrchr(path, '/') - path);
    char directory[PATH_MAX];

    if (n >= sizeof(directory))
        return -1;
    memcpy(directory, path, n);
    directory[n] = '\0';
    return inotify_add_watch(inotify.fd, n > 0 ? directory : "/", EVENTS | IN_ONLYDIR);
}

static bool is_used(int directory) {
    for (const struct file_watch *watch = inotify.first; watch; watch = watch->next)
        if (watch->directories[0] == directory || watch->directories[1] == directory)
            return true;
    return false;
}

static void replace_directory(struct file_watch *watch, size_t i, int directory) {
    int former = watch->directories[i];

    watch->directories[i] = directory;
    if (former >= 0 && !is_used(former))
        (void)inotify_rm_watch(inotify.fd, former); /* in vain when the directory is gone, and its number with it */
}

/* Each time anew: the same path may lead elsewhere by now. */
static void watch_directories(struct file_watch *watch) {
    _cleanup_free_ char *target = realpath(watch->path, NULL);

    replace_directory(watch, 0, add_directory_of(watch->path));
    replace_directory(watch, 1, target ? add_directory_of(target) : -1);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(&a->st_mtim, &b->st_mtim) && is_same_time(&a->st_ctim, &b->st_ctim);
}

static bool has_changed_since(struct file_watch *watch) {
    struct stat before = watch->last;

    if (stat(watch->path, &watch->last) < 0)
        watch->last = (struct stat){0};
    return !is_same(&before, &watch->last);
}

/* Whether it has changed since the last look. Its directories first: what happens after that is told. */
static bool look(struct file_watch *watch) {
    bool has_changed;

    open_inotify();
    watch_directories(watch);
    has_changed = has_changed_since(watch);
    timer_set(&watch->look, watch->directories[0] >= 0 ? FILE_LOOK_ANYWAY : FILE_LOOK_LOST);
    return has_changed;
}

static void look_expired(struct timer *timer) {
    struct file_watch *watch = container_of(timer, struct file_watch, look);

    if (look(watch))
        watch->on_change(watch);
}

void file_watch_start(struct file_watch *watch, const char *path, void (*on_change)(struct file_watch *watch)) {
    *watch = (struct file_watch){.path = path, .on_change = on_change, .directories = {-1, -1}};
    watch->look.on_expiry = look_expired;
    watch->next = inotify.first;
    inotify.first = watch;
    (void)has_changed_since(watch);
    timer_set(&watch->look, FILE_LOOK_FIRST);
}

void file_watch_stop(struct file_watch *watch) {
    struct file_watch **at = &inotify.first;

    while (*at && *at != watch)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = watch->next;
    timer_cancel(&watch->look);
    replace_directory(watch, 0, -1);
    replace_directory(watch, 1, -1);
    if (!inotify.first)
        close_inotify();
}
