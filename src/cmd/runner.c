/*
 * `credfd runner`: takes tasks from a control plane, and gives each the lease of its own key. This process is the
 * supervisor: it starts the link, the broker's roles and each task's, and reads no byte of the hub's or of a task's.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/kernel.h"
#include "cmd/service.h"
#include "cmd/usage.h"
#include "egress/settings/settings.h"
#include "fleet/desk/runner.h"

static const char usage[] =
    "usage: credfd runner [-c FILE] [--token KIND:VALUE] [--url URL] [--workspace DIRECTORY]\n"
    "       credfd runner status [--json]\n"
    "       credfd runner explain [-c FILE] [--json] [--] COMMAND\n"
    "\n"
    "Holds a connection to a control plane, runs the tasks that come, and gives each command its person's\n"
    "key as a lease. Serves until it is told to end. `status` says how the running one does; `explain`\n"
    "says which rules decide about a command.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --token KIND:VALUE\n"
    "                     where the token is, never the token itself: file:PATH, env:NAME, fd:NUMBER,\n"
    "                     systemd:NAME or \"command:PROGRAM ARGUMENT ...\"\n"
    "      --url URL      of the control plane: wss://HOST/PATH\n"
    "      --workspace DIRECTORY\n"
    "                     where tasks run\n"
    "      --log-level LEVEL\n"
    "                     error, warning, info or debug\n"
    "      --help         print this\n"
    "\n"
    "Without an option its variable counts: CREDFD_RUNNER_TOKEN (the token itself), CREDFD_RUNNER_URL,\n"
    "CREDFD_RUNNER_WORKSPACE, CREDFD_RUNNER_LOG_LEVEL, or the same with FLASHDUTY_ in place of CREDFD_;\n"
    "then the configuration.\n"
    "\n"
    "SIGHUP reads the configuration again; SIGTERM lets running tasks end and sends their results, a second\n"
    "one ends at once. The exit status is 0 when it was told to end, otherwise 125, and a line says what\n"
    "to mend.\n";

/* One reading of the configuration. */
struct reading {
    struct runner_settings *settings;
    struct settings *common;
};

struct running {
    struct service service;
    struct runner_overrides overrides;
    const char *config; /* as given */
    char *path;         /* of the configuration that was found; NULL without one */
    const char *log_level;
    char *token_source;         /* "env:NAME" where the token came in a variable */
    struct reading first, last; /* the first is borrowed for the runner's life */
    struct runner *runner;
    bool is_ready, is_ending, is_failed;
};

static void ready(void *owner) {
    struct running *running = owner;

    running->is_ready = true;
}

static void failed(void *owner, const char *error) {
    struct running *running = owner;

    log_error("%s", error);
    running->is_failed = true;
    runner_stop(running->runner);
}

static void stopped(void *owner) {
    (void)owner;
    loop_stop();
}

static void reading_done(struct reading *reading) {
    runner_settings_free(reading->settings);
    settings_free(reading->common);
    *reading = (struct reading){0};
}

/* What it has in common with other commands stands in the same file. */
static int read_common(const char *path, struct settings **ret, char **ret_error) {
    if (path)
        return settings_load(path, ret, ret_error);
    *ret = settings_new("the runner");
    return *ret ? 0 : -ENOMEM;
}

static int read_configuration(const struct running *running, struct reading *ret) {
    struct reading reading = {0};
    _cleanup_free_ char *error = NULL;
    int r = runner_settings_load(running->path, &running->overrides, &reading.settings, &error);

    if (r == 0)
        r = read_common(running->path, &reading.common, &error);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        reading_done(&reading);
        return r;
    }
    *ret = reading;
    return 0;
}

static int set_log_level(const struct running *running, const struct runner_settings *settings) {
    enum log_level level = settings->log_level;

    if (running->log_level && log_level_parse(slice_of_string(running->log_level), &level) < 0) {
        log_error("runner: --log-level: must be error, warning, info or debug");
        return -EINVAL;
    }
    log_set_level(level);
    return 0;
}

/* A configuration that cannot be read changes nothing. */
static void reload(struct service *service) {
    struct running *running = container_of(service, struct running, service);
    struct reading reading;

    if (!running->is_ready || running->is_ending)
        return;
    if (read_configuration(running, &reading) < 0) {
        log_error("runner: the configuration was not read again: everything goes on as it was");
        return;
    }
    (void)set_log_level(running, reading.settings);
    runner_reload(running->runner, reading.settings, reading.common);
    reading_done(&running->last);
    running->last = reading;
}

static void end(struct service *service) {
    struct running *running = container_of(service, struct running, service);

    if (running->is_ending)
        runner_stop(running->runner);
    else
        runner_drain(running->runner);
    running->is_ending = true;
}

/* The variable of that ending: ours, or the one that the Flashduty runner knows. NULL when neither is set. */
static const char *find_variable(const char *ours, const char *theirs, const char **ret_value) {
    const char *names[] = {ours, theirs};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);

        if (value && *value) {
            *ret_value = value;
            return names[i];
        }
    }
    return NULL;
}

static int take_variables(struct running *running) {
    struct runner_overrides *said = &running->overrides;
    const char *value, *name;

    if (!said->url && find_variable("CREDFD_RUNNER_URL", "FLASHDUTY_RUNNER_URL", &value))
        said->url = value;
    if (!said->workspace && find_variable("CREDFD_RUNNER_WORKSPACE", "FLASHDUTY_RUNNER_WORKSPACE", &value))
        said->workspace = value;
    if (!running->log_level && find_variable("CREDFD_RUNNER_LOG_LEVEL", "FLASHDUTY_RUNNER_LOG_LEVEL", &value))
        running->log_level = value;
    name = find_variable("CREDFD_RUNNER_TOKEN", "FLASHDUTY_RUNNER_TOKEN", &value);
    if (said->token || !name)
        return 0;
    if (asprintf(&running->token_source, "env:%s", name) < 0) {
        running->token_source = NULL;
        return -ENOMEM;
    }
    said->token = running->token_source;
    return 0;
}

/* Whoever says everything that must be said needs no file. */
static int find_configuration(struct running *running) {
    _cleanup_free_ char *error = NULL;
    int r = settings_find(running->config, &running->path, &error);

    if (r == -ENOENT && !running->config && running->overrides.token)
        return 0;
    if (r < 0)
        log_error("%s", error ? error : strerror(-r));
    return r;
}

static int prepare(struct running *running) {
    _cleanup_free_ char *error = NULL;
    int r = service_init(&running->service, "runner");

    if (r == 0)
        r = take_variables(running);
    if (r == 0)
        r = find_configuration(running);
    if (r == 0)
        r = read_configuration(running, &running->first);
    if (r == 0)
        r = set_log_level(running, running->first.settings);
    if (r < 0)
        return r;
    r = runner_settings_check(running->first.settings, &error);
    if (r < 0)
        log_error("%s", error ? error : strerror(-r));
    return r;
}

static int serve(struct running *running) {
    const struct runner_owner owner = {.ready = ready, .failed = failed, .stopped = stopped, .owner = running};
    const struct runner_ability ability = {.can_broker = kernel_gives_broker(),
                                           .why_not = "this kernel lacks what a lease needs; see credfd doctor"};
    _cleanup_free_ char *error = NULL;
    int r = runner_start(running->first.settings, running->first.common, &ability, &owner, &running->runner, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    r = loop_run();
    runner_free(running->runner);
    return r < 0 || running->is_failed ? EXIT_CREDFD : EXIT_SUCCESS;
}

/* -1 to go on; otherwise the exit status. */
static int parse(struct running *running, int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"token", required_argument, NULL, 't'},
        {"url", required_argument, NULL, 'u'},
        {"workspace", required_argument, NULL, 'w'},
        {"log-level", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, ":c:", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            running->config = optarg;
            break;
        case 't':
            running->overrides.token = optarg;
            break;
        case 'u':
            running->overrides.url = optarg;
            break;
        case 'w':
            running->overrides.workspace = optarg;
            break;
        case 'l':
            running->log_level = optarg;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    return optind < argc ? usage_refuse(argv[0], "it takes no argument but status and explain") : -1;
}

int cmd_runner(int argc, char **argv) {
    struct running running = {.service = {.reload = reload, .end = end, .signal_fd = -EBADF}};
    int status;

    if (argc > 1 && strcmp(argv[1], "status") == 0)
        return cmd_runner_status(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "explain") == 0)
        return cmd_runner_explain(argc - 1, argv + 1);
    status = parse(&running, argc, argv);
    if (status < 0)
        status = prepare(&running) < 0 ? EXIT_CREDFD : serve(&running);
    service_done(&running.service);
    reading_done(&running.first);
    reading_done(&running.last);
    free(running.token_source);
    free(running.path);
    return status;
}
