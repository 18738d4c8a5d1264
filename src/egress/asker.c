#include "egress/asker.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static int is_over(int pidfd) {
    struct pollfd over = {.fd = pidfd, .events = POLLIN};

    return poll(&over, 1, 0) != 0; /* readable once the process has ended (pidfd_open(2)) */
}

void asker_identify(struct asker *ret, pid_t pid, int pidfd) {
    char link[64];
    ssize_t n;

    ret->pid = pid;
    ret->executable[0] = '\0';
    (void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    n = readlink(link, ret->executable, sizeof(ret->executable) - 1);
    /* looked at first, judged alive afterwards: so the number was still its own when it was looked at */
    if (n < 0 || (pidfd >= 0 && is_over(pidfd)))
        n = 0;
    ret->executable[n] = '\0';
}
