/*
 * `credfd dispatch`: leads people who have signed in at a front to their own instances. This process is the supervisor:
 * it starts the roles and watches over them, and reads no byte of a request.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/service.h"
#include "cmd/usage.h"
#include "egress/settings/settings.h"
#include "ingress/desk/dispatch.h"

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

struct dispatching {
    struct service service;
    char **argv; /* to be started anew with */
    char program[PATH_MAX];
    char *path;                                   /* of the configuration that was found */
    struct dispatch_settings *settings, *earlier; /* earlier: those before the last reload */
    struct dispatch *dispatch;
    bool is_ready, is_ending, is_failed;
    bool is_astray; /* the configuration, as it is in the file now, could not be read */
};

static void ready(void *owner) {
    struct dispatching *d = owner;

    d->is_ready = true;
}

static void failed(void *owner, const char *error) {
    struct dispatching *d = owner;

    log_error("%s", error);
    d->is_failed = true;
    dispatch_stop(d->dispatch);
}

static void stopped(void *owner) {
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
    struct dispatching *d = container_of(service, struct dispatching, service);
    struct dispatch_settings *settings;

    if (!d->is_ready || d->is_ending)
        return;
    if (load(d->path, &settings) < 0) {
        log_error("dispatch: the configuration was not read again: everything goes on as it was");
        d->is_astray = true;
        return;
    }
    dispatch_reload(d->dispatch, settings);
    /* who was told that it did not work is told that it does; who wants to hear of each, of each */
    log_line(d->is_astray ? LOG_WARNING : LOG_INFO, "dispatch: the configuration was read again and is in force");
    d->is_astray = false;
    dispatch_settings_free(d->earlier);
    d->earlier = d->settings;
    d->settings = settings;
}

static void end(struct service *service) {
    struct dispatching *d = container_of(service, struct dispatching, service);

    if (d->is_ending)
        dispatch_stop(d->dispatch);
    else
        dispatch_drain(d->dispatch);
    d->is_ending = true;
}

static void replace(struct service *service) {
    struct dispatching *d = container_of(service, struct dispatching, service);
    int r = dispatch_replace(d->dispatch, d->argv);

    if (r < 0)
        log_error("dispatch: no successor is started: %s", strerror(-r));
}

/* By the name that the program has now: once another was put in its place, the kernel shows the old one as deleted. */
static int find_program(struct dispatching *d) {
    static const struct slice deleted = SLICE(" (deleted)");
    ssize_t n = readlink("/proc/self/exe", d->program, sizeof(d->program) - 1);

    if (n < 0)
        return -errno;
    if (slice_ends_with(slice_of(d->program, (size_t)n), deleted))
        n -= (ssize_t)deleted.n;
    d->program[n] = '\0';
    return 0;
}

/* getopt moves the words about, and a successor is to get them as they were. */
static int keep_arguments(struct dispatching *d, int argc, char *const argv[]) {
    d->argv = calloc((size_t)argc + 2, sizeof(*d->argv));
    if (!d->argv)
        return -ENOMEM;
    d->argv[0] = d->program;
    for (int i = 0; i < argc; i++)
        d->argv[i + 1] = argv[i];
    return 0;
}

static int prepare(struct dispatching *d, const char *config) {
    _cleanup_free_ char *error = NULL;
    int r = find_program(d);

    if (r < 0)
        log_error("dispatch: credfd cannot start: %s", strerror(-r));
    if (r == 0)
        r = service_init(&d->service, "dispatch");
    if (r < 0)
        return r;
    r = settings_find(config, &d->path, &error);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return r;
    }
    return load(d->path, &d->settings);
}

static int serve(struct dispatching *d) {
    const struct dispatch_owner owner = {.ready = ready, .failed = failed, .stopped = stopped, .owner = d};
    _cleanup_free_ char *error = NULL;
    int r = dispatch_start(d->settings, &owner, &d->dispatch, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    r = loop_run();
    dispatch_free(d->dispatch);
    return r < 0 || d->is_failed ? EXIT_CREDFD : EXIT_SUCCESS;
}

int cmd_dispatch(int argc, char **argv) {
    struct dispatching d = {
        .service = {.reload = reload, .end = end, .replace = replace, .signal_fd = -EBADF},
    };
    const char *config = NULL;
    int status;

    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return cmd_dispatch_check(argc - 1, argv + 1);
    if (keep_arguments(&d, argc, argv) < 0)
        return EXIT_CREDFD;
    status = usage_parse(argc, argv, usage, &config, NULL);
    if (status < 0)
        status = prepare(&d, config) < 0 ? EXIT_CREDFD : serve(&d);
    service_done(&d.service);
    dispatch_settings_free(d.settings);
    dispatch_settings_free(d.earlier);
    free(d.path);
    free(d.argv);
    return status;
}
