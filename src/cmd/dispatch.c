/*
 * `credfd dispatch`: leads people who have signed in at a front to their own instances. This process is the supervisor:
 * it starts the roles and watches over them, and reads no byte of a request.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/usage.h"
#include "egress/settings.h"
#include "ingress/desk/dispatch.h"
#include "proc/child.h"
#include "proc/notify.h"
#include "sandbox/harden.h"

static const char usage[] =
    "usage: credfd dispatch [-c FILE]\n"
    "       credfd dispatch check [-c FILE] USER\n"
    "\n"
    "Leads people who have signed in at a front proxy each to an instance of their own, with a session\n"
    "there. Serves until it is told to end. `check` tries the whole way for one person; see its --help.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --help         print this\n"
    "\n"
    "SIGHUP reads the configuration again; SIGTERM ends what is open, a second one ends at once; SIGUSR2\n"
    "starts the program anew and hands the listening sockets over. The exit status is 0 when it was told\n"
    "to end, otherwise 125, and a line says what to mend.\n";

struct service {
    char **argv; /* to be started anew with */
    char program[PATH_MAX];
    char *path;                                   /* of the configuration that was found */
    struct dispatch_settings *settings, *earlier; /* earlier: those before the last reload */
    struct dispatch *dispatch;
    struct watch signals;
    int signal_fd;
    bool is_ready, is_ending, is_failed;
};

static void service_ready(void *owner) {
    struct service *service = owner;

    service->is_ready = true;
}

static void service_failed(void *owner, const char *error) {
    struct service *service = owner;

    log_error("%s", error);
    service->is_failed = true;
    dispatch_stop(service->dispatch);
}

static void service_stopped(void *owner) {
    (void)owner;
    loop_stop();
}

static int load(const char *path, struct dispatch_settings **ret) {
    _cleanup_free_ char *error = NULL;
    int r = dispatch_settings_load(path, ret, &error);

    if (r < 0)
        log_error("%s", error ? error : strerror(-r));
    else
        log_set_level((*ret)->log_level);
    return r;
}

/* A configuration that cannot be read changes nothing. */
static void reload(struct service *service) {
    struct dispatch_settings *settings;

    if (!service->is_ready || service->is_ending)
        return;
    if (load(service->path, &settings) < 0) {
        log_error("dispatch: the configuration was not read again: everything goes on as it was");
        return;
    }
    dispatch_reload(service->dispatch, settings);
    dispatch_settings_free(service->earlier);
    service->earlier = service->settings;
    service->settings = settings;
}

static void end(struct service *service) {
    if (service->is_ending)
        dispatch_stop(service->dispatch);
    else
        dispatch_drain(service->dispatch);
    service->is_ending = true;
}

static void replace(struct service *service) {
    int r = dispatch_replace(service->dispatch, service->argv);

    if (r < 0)
        log_error("dispatch: no successor is started: %s", strerror(-r));
}

static void take_signal(struct service *service, const struct signalfd_siginfo *signal) {
    bool is_hangup = signal->ssi_signo == SIGHUP && signal->ssi_code == SI_KERNEL; /* its terminal is gone */

    if (signal->ssi_signo == SIGHUP && !is_hangup)
        reload(service);
    else if (signal->ssi_signo == SIGUSR2)
        replace(service);
    else
        end(service);
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
    sigaddset(&taken, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
        return -errno;
    service->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    return service->signal_fd < 0 ? -errno : watch_add(&service->signals, service->signal_fd, signals_ready);
}

/* By the name that the program has now: once another was put in its place, the kernel shows the old one as deleted. */
static int find_program(struct service *service) {
    static const struct slice deleted = SLICE(" (deleted)");
    ssize_t n = readlink("/proc/self/exe", service->program, sizeof(service->program) - 1);

    if (n < 0)
        return -errno;
    if (slice_ends_with(slice_of(service->program, (size_t)n), deleted))
        n -= (ssize_t)deleted.n;
    service->program[n] = '\0';
    return 0;
}

/* getopt moves the words about, and a successor is to get them as they were. */
static int keep_arguments(struct service *service, int argc, char *const argv[]) {
    service->argv = calloc((size_t)argc + 2, sizeof(*service->argv));
    if (!service->argv)
        return -ENOMEM;
    service->argv[0] = service->program;
    for (int i = 0; i < argc; i++)
        service->argv[i + 1] = argv[i];
    return 0;
}

static int prepare(struct service *service, const char *config) {
    _cleanup_free_ char *error = NULL;
    int r = harden_against_inspection(); /* what roles believe fronts by passes through here, as descriptors */

    if (r == 0)
        r = find_program(service);
    if (r == 0)
        r = child_find_programs();
    if (r == 0)
        r = loop_init();
    if (r == 0)
        r = take_signals(service);
    if (r < 0) {
        log_error("dispatch: credfd cannot start: %s", strerror(-r));
        return r;
    }
    notify_init();
    r = settings_find(config, &service->path, &error);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return r;
    }
    return load(service->path, &service->settings);
}

static int serve(struct service *service) {
    const struct dispatch_owner owner = {
        .ready = service_ready, .failed = service_failed, .stopped = service_stopped, .owner = service};
    _cleanup_free_ char *error = NULL;
    int r = dispatch_start(service->settings, &owner, &service->dispatch, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    r = loop_run();
    dispatch_free(service->dispatch);
    return r < 0 || service->is_failed ? EXIT_CREDFD : EXIT_SUCCESS;
}

int cmd_dispatch(int argc, char **argv) {
    struct service service = {.signal_fd = -EBADF};
    const char *config = NULL;
    int status;

    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return cmd_dispatch_check(argc - 1, argv + 1);
    if (keep_arguments(&service, argc, argv) < 0)
        return EXIT_CREDFD;
    status = usage_parse(argc, argv, usage, &config, NULL);
    if (status < 0)
        status = prepare(&service, config) < 0 ? EXIT_CREDFD : serve(&service);
    watch_remove(&service.signals);
    fd_close(&service.signal_fd);
    dispatch_settings_free(service.settings);
    dispatch_settings_free(service.earlier);
    free(service.path);
    free(service.argv);
    return status;
}
