#include "cmd/service.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "proc/child.h"
#include "proc/notify.h"
#include "sandbox/harden.h"

static void take_signal(struct service *service, const struct signalfd_siginfo *signal) {
    bool is_hangup = signal->ssi_signo == SIGHUP && signal->ssi_code == SI_KERNEL; /* its terminal is gone */

    if (signal->ssi_signo == SIGHUP && !is_hangup)
        service->reload(service);
    else if (signal->ssi_signo == SIGUSR2)
        service->replace(service);
    else
        service->end(service);
}

static void signals_ready(struct watch *watch) {
    struct service *service = container_of(watch, struct service, signals);
    struct signalfd_siginfo signal;

    while (read(service->signal_fd, &signal, sizeof(signal)) == sizeof(signal))
        take_signal(service, &signal);
}

static int take_signals(struct service *service) {
    sigset_t taken;

    /* ignored, as whoever started us may have left it, it would reap our children without a word (wait(2), NOTES) */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    sigemptyset(&taken);
    sigaddset(&taken, SIGHUP);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGTERM);
    if (service->replace)
        sigaddset(&taken, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
        return -errno;
    service->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    return service->signal_fd < 0 ? -errno : watch_add(&service->signals, service->signal_fd, signals_ready);
}

int service_init(struct service *service, const char *name) {
    int r = harden_against_inspection(); /* secrets and their digests pass through here, as descriptors */

    service->signal_fd = -EBADF;
    if (r == 0)
        r = child_find_programs();
    if (r == 0)
        r = loop_init();
    if (r == 0)
        r = take_signals(service);
    if (r < 0)
        log_error("%s: credfd cannot start: %s", name, strerror(-r));
    else
        notify_init();
    return r;
}

void service_done(struct service *service) {
    watch_remove(&service->signals);
    fd_close(&service->signal_fd);
}
