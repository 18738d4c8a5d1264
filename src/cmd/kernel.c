#include "cmd/kernel.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/secret.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* asm-generic/socket.h of Linux 6.5 */
#endif

static bool pair_takes(int option) {
    int ends[2], on = 1, r;

    if (fd_pair(SOCK_SEQPACKET, ends) < 0)
        return false;
    r = setsockopt(ends[0], SOL_SOCKET, option, &on, sizeof(on));
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    return r == 0;
}

bool kernel_has_channels(void) {
    return pair_takes(SO_PASSCRED);
}

bool kernel_names_askers(void) {
    return pair_takes(SO_PASSPIDFD);
}

bool kernel_has_seccomp_filters(void) {
    const unsigned action = SECCOMP_RET_KILL_PROCESS;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool kernel_has_pidfd(void) {
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    return fd >= 0;
}

bool kernel_keeps_secrets(void) {
    _cleanup_secret_ struct secret *secret = NULL;
    int fd;

    return secret_seal(SLICE("?"), &fd) == 0 && secret_open(fd, &secret) == 0;
}

bool kernel_gives_broker(void) {
    return kernel_has_channels() && kernel_has_seccomp_filters() && kernel_has_pidfd() && kernel_keeps_secrets();
}

int kernel_try(int (*attempt)(void)) {
    pid_t pid = fork();
    int status = 0;

    if (pid < 0)
        return -errno;
    if (pid == 0)
        _exit(-attempt());
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}
