#include "egress/desk/asker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/weaken.h"

bool asker_is_over(int pidfd) {
    struct pollfd over = {.fd = pidfd, .events = POLLIN};

    return poll(&over, 1, 0) != 0; /* readable once the process has ended (pidfd_open(2)) */
}

/* The process that a pidfd stands for, as the kernel says (pidfd_open(2)); -1 when it has ended. */
static pid_t pid_of(int pidfd) {
    static const char label[] = "\nPid:\t";
    char path[64], text[1024];
    _cleanup_close_ int fd = -EBADF;
    const char *at;
    uint64_t pid;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : fd_read_all(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    at = strstr(text, label);
    if (!at)
        return -1;
    at += sizeof(label) - 1;
    return num_parse(slice_of(at, strcspn(at, "\n")), INT32_MAX, &pid) == 0 ? (pid_t)pid : -1;
}

void asker_identify(struct asker *ret, pid_t claimed, int pidfd) {
    pid_t attested = pidfd >= 0 ? pid_of(pidfd) : -1;
    pid_t pid = WEAKENED(ASKER) ? getpid() : attested > 0 ? attested : claimed;
    char link[64];
    ssize_t n;

    ret->pid = pid;
    ret->executable[0] = '\0';
    (void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    n = readlink(link, ret->executable, sizeof(ret->executable) - 1);
    /* looked at first, judged alive afterwards: so the number was still its own when it was looked at */
    if (n < 0 || (pidfd >= 0 && asker_is_over(pidfd)))
        n = 0;
    ret->executable[n] = '\0';
}
