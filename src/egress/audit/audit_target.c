#include "egress/audit/audit_target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

#define PAUSE_FIRST_US 20 /* a lock is held for the time of one write */
#define PAUSE_MAX_US 10000

int audit_path_fd(const char *path) {
    int fd;

    /* a file's end is read for the chain; a FIFO or a device is written to alone */
    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    return fd < 0 ? -errno : fd;
}

static int open_path(const char *path) {
    struct stat st;
    int fd;

    if (strcmp(path, "-") == 0) {
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
    }
    if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
        return audit_path_fd(path);
    /* never for reading: a FIFO would then be its own reader, and a line would wait in it for nobody */
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int audit_path_open(const char *path, uint64_t rotate_bytes, uint64_t keep, struct audit_target **ret) {
    _cleanup_close_ int fd = open_path(path);
    bool is_standard = strcmp(path, "-") == 0;
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode) && !is_standard)
        return audit_file_new(path, fd_steal(&fd), rotate_bytes, keep, ret);
    return audit_stream_new(is_standard ? "standard error" : path, fd_steal(&fd), ret);
}

void audit_forget_signal(int error) {
    sigset_t signals;

    if (error != EPIPE && error != EFBIG)
        return;
    sigemptyset(&signals);
    sigaddset(&signals, error == EPIPE ? SIGPIPE : SIGXFSZ);
    (void)sigtimedwait(&signals, NULL, &(struct timespec){0});
}

struct audit_patience audit_patience_begin(bool may_wait) {
    return (struct audit_patience){.left_us = may_wait ? TIMEOUT_AUDIT * 1000 : 0, .pause_us = PAUSE_FIRST_US};
}

bool audit_patience_wait(struct audit_patience *patience) {
    uint64_t pause_us = MIN_OF(patience->pause_us, patience->left_us);

    if (pause_us == 0)
        return false;
    patience->left_us -= pause_us;
    patience->pause_us = MIN_OF(2 * pause_us, (uint64_t)PAUSE_MAX_US);
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)pause_us * 1000}, NULL);
    return true;
}
