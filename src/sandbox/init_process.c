#include "sandbox/init_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

#define EXIT_LOST 125

/* Who was orphaned is reaped too. */
static void reap(pid_t command, int line) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        unsigned char stop;

        if (pid != command)
            continue;
        if (!WIFSTOPPED(status))
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        stop = (unsigned char)WSTOPSIG(status);
        (void)send(line, &stop, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

/*
 * The terminal signals the whole group, the command among it. Who is in here (he has a pid) may signal the command
 * himself; who is outside has none (pid_namespaces(7)).
 */
static void pass_on(pid_t command, const struct signalfd_siginfo *signal) {
    if (signal->ssi_code != SI_KERNEL && signal->ssi_pid == 0)
        (void)kill(command, (int)signal->ssi_signo);
}

static void take_signals(int signals, pid_t command, int line) {
    struct signalfd_siginfo signal;

    while (read(signals, &signal, sizeof(signal)) == sizeof(signal)) {
        if (signal.ssi_signo == SIGCHLD)
            reap(command, line);
        else
            pass_on(command, &signal);
    }
}

void init_process_run(pid_t command, int line) {
    struct pollfd watched[2] = {{.fd = line, .events = POLLIN}, {.events = POLLIN}};
    sigset_t all;

    sigfillset(&all);
    watched[1].fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (watched[1].fd < 0)
        _exit(EXIT_LOST);
    reap(command, line); /* what ended before there was anybody to be told */
    for (;;) {
        if (poll(watched, ARRAY_LEN(watched), -1) < 0 && errno != EINTR)
            _exit(EXIT_LOST);
        if (watched[0].revents != 0) /* nothing is ever said to us: it is the end of whoever started us */
            _exit(EXIT_LOST);
        take_signals(watched[1].fd, command, line);
    }
}
