#include "cmd/workload_become.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "cmd/cmd.h"
#include "sandbox/harden.h"

#define FIRST_LEASE 3 /* docs/protocol.md: 3 upward */

struct workload_before workload_before;

/* Out of the way first: a lease's descriptor may have the number that another is to get. */
static bool place_leases(const int *leases, size_t n) {
    int copies[LIMIT_LEASES];

    for (size_t i = 0; i < n; i++) {
        copies[i] = fcntl(leases[i], F_DUPFD_CLOEXEC, FIRST_LEASE + (int)n);
        if (copies[i] < 0)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        if (dup2(copies[i], FIRST_LEASE + (int)i) < 0)
            return false;
    if (!WEAKENED(CLOSE_RANGE))
        (void)close_range((unsigned)(FIRST_LEASE + (int)n), ~0U, 0);
    return true;
}

static int exec_failure(const char *command, int error, bool is_full) {
    bool is_absent = error == ENOENT || error == ENOTDIR;

    log_error("run: %s: %s%s", command, is_absent ? "not found" : strerror(error),
              is_absent && is_full ? "; --isolate full shows the system and the working directory: is it elsewhere? "
                                     "--read PATH shows more"
                                   : "");
    return is_absent ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static bool set_variable(struct slice variable) {
    struct slice name = slice_cut(&variable, '=');
    _cleanup_free_ char *text = NULL;

    if (!variable.p) /* no variable: nobody could ask for it */
        return true;
    text = strndup(name.p, name.n);
    return text && setenv(text, variable.p, 1) == 0;
}

static bool set_environment(struct slice variables) {
    while (variables.n > 0)
        if (!set_variable(slice_cut(&variables, '\0')))
            return false;
    return true;
}

void workload_become(const struct workload_plan *plan, bool is_full) {
    if (!place_leases(plan->leases, plan->n_leases)) {
        log_error("run: no descriptor is left for a lease: %s", strerror(errno));
        _exit(EXIT_CREDFD);
    }
    if (!set_environment(plan->environment)) {
        log_error("run: no memory for the command's environment");
        _exit(EXIT_CREDFD);
    }
    if (harden_drop_workload_capabilities() < 0)
        log_warning(
            "run: the command keeps capabilities with which root can read any process; run credfd as a plain user");
    (void)sigaction(SIGCHLD, &workload_before.child, NULL);
    (void)sigprocmask(SIG_SETMASK, &workload_before.mask, NULL);
    (void)execvp(plan->argv[0], plan->argv);
    _exit(exec_failure(plan->argv[0], errno, is_full));
}

static int listen_once(int *ret_fd) {
    const struct sockaddr_in any_port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&any_port, sizeof(any_port)) < 0 || listen(fd, LIMIT_BACKLOG) < 0)
        r = -errno;
    if (r < 0)
        fd_close(&fd);
    else
        *ret_fd = fd;
    return r;
}

int workload_listen(size_t n, int *fds, int *ret_diag) {
    int diag = n > 0 ? socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG) : -EBADF;
    int r = n > 0 && diag < 0 ? -errno : 0;
    size_t made = 0;

    while (r == 0 && made < n && (r = listen_once(&fds[made])) == 0)
        made++;
    if (r == 0) {
        *ret_diag = diag;
        return 0;
    }
    while (made > 0)
        fd_close(&fds[--made]);
    fd_close(&diag);
    return r;
}
