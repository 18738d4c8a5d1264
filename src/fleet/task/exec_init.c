#include "fleet/task/exec_init.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "fleet/task/exec_become.h"

#define INIT 1

/* The end of credfd-exec is its end; it may have come before this was asked for. */
static void share_end(int parent) {
    struct pollfd exited = {.fd = parent, .events = POLLIN};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&exited, 1, 0) != 0)
        _exit(127);
}

/* What the command sees in /proc are the processes of its own namespace. Mounts of its own stay its own. */
static void mount_proc(int complaint) {
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        exec_complain(complaint, STEP_NAMESPACE);
}

/* Nothing stays open here that is somebody else's end of something. */
static void keep_only(int *fd) {
    if (dup2(*fd, EXEC_FIRST_FD) < 0 || close_range(EXEC_FIRST_FD + 1, ~0U, 0) < 0)
        _exit(127);
    *fd = EXEC_FIRST_FD;
}

/* True while there is something left. */
static bool reap(pid_t command, int status_pipe) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid == 0)
            return true;
        if (pid < 0)
            return errno == EINTR;
        if (pid == command)
            (void)fd_write_all(status_pipe, &status, sizeof(status));
    }
}

void exec_init(const struct exec_setup *setup, int parent, int complaint, int status) {
    sigset_t awaited;
    pid_t command;

    share_end(parent);
    /* blocked from here on, so that none is lost before it is waited for (sigwaitinfo(2)) */
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &awaited, NULL);
    (void)signal(SIGTERM, SIG_DFL); /* what is ignored is not kept for later */
    mount_proc(complaint);
    command = fork();
    if (command < 0)
        exec_complain(complaint, STEP_FORK);
    if (command == 0)
        exec_become(setup, INIT, complaint);
    keep_only(&status);
    while (reap(command, status)) {
        if (sigwaitinfo(&awaited, NULL) == SIGTERM) {
            (void)kill(-1, SIGTERM);
            (void)kill(-1, SIGCONT);
        }
    }
    _exit(EXIT_SUCCESS);
}
