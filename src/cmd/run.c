/*
 * `credfd run`: starts a command that holds leases. This process is the supervisor: it starts the broker's roles, lets
 * the command run when they are ready, and ends them when it has ended. It parses no byte that the command sends.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "cmd/usage.h"
#include "cmd/workload.h"
#include "egress/broker.h"
#include "egress/profile.h"
#include "proc/child.h"
#include "sandbox/harden.h"

static const char usage[] =
    "usage: credfd run [-c FILE] [--as NAME] [--lease NAME]... [--audit FILE] -- COMMAND [ARGUMENT]...\n"
    "       credfd run {--profile NAME --secret KIND:VALUE}... [OPTION]... -- COMMAND [ARGUMENT]...\n"
    "\n"
    "Runs the command with a lease of each credential: a descriptor, 3 upward, through which its HTTP\n"
    "requests reach the API with the key. The command itself never holds a key.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --as NAME      in whose name: stands in the audit; the invoking user without it\n"
    "      --lease NAME   only this credential; may be given several times, in the order of the descriptors\n"
    "      --profile NAME a ready-made credential, in place of a configuration; credfd profile lists them\n"
    "      --secret KIND:VALUE\n"
    "                     where the profile's secret is: file:PATH, env:NAME, fd:NUMBER, systemd:NAME or\n"
    "                     \"command:PROGRAM ARGUMENT ...\"; of several, the first goes with the first profile\n"
    "      --audit FILE   where the audit goes, instead of the configuration's; - is standard error\n"
    "      --help         print this\n"
    "\n"
    "The exit status is the command's; 128 and the signal's number when a signal ended it; 125 when\n"
    "credfd failed, 126 when the command cannot be executed, 127 when it is not found.\n";

#define ENVIRONMENT_MAX (6 * 1024 * 1024) /* no more is taken of arguments and environment together (execve(2)) */

/* One reading of the configuration. */
struct loaded {
    struct loaded *earlier;
    struct settings *settings;
};

struct run {
    const char *config, *identity, *audit;
    char *path; /* of the configuration that was found */
    const char *names[LIMIT_LEASES];
    size_t n_names;
    struct profile_choice profiles[LIMIT_LEASES]; /* in place of a configuration, where there are any */
    size_t n_profiles, n_secrets;
    char **argv;
    struct loaded *settings; /* as last read; those before may still be in use */
    struct broker *broker;
    struct holder *holder;
    struct workload workload;
    int ends[LIMIT_LEASES]; /* the command's ends of the lease channels, until it has them */
    bool is_broker_ready, is_holder_ready, is_stopping;
    int status;
};

static void stop_with(struct run *run, int status) {
    run->status = status;
    run->is_stopping = true;
    broker_stop(run->broker);
}

static int start_command(struct run *run) {
    struct workload_plan plan = {.argv = run->argv, .leases = run->ends, .n_leases = run->n_names};
    struct buf environment;
    int r;

    buf_init(&environment, ENVIRONMENT_MAX);
    r = holder_environment(run->holder, 3, &environment);
    plan.environment = buf_slice(&environment);
    if (r < 0)
        log_error("run: no memory for the command's environment");
    else if ((r = workload_start(&run->workload, &plan)) < 0)
        log_error("run: no process for the command: %s", strerror(-r));
    buf_release(&environment);
    return r;
}

/* Not before every role has hardened itself: what the command could look into by then, it could look into for good. */
static void start_when_ready(struct run *run) {
    int r;

    if (!run->is_broker_ready || !run->is_holder_ready || run->is_stopping)
        return;
    r = start_command(run);
    for (size_t i = 0; i < run->n_names; i++)
        fd_close(&run->ends[i]);
    if (r < 0)
        stop_with(run, EXIT_CREDFD);
}

static void holder_ready(void *owner) {
    struct run *run = owner;

    run->is_holder_ready = true;
    start_when_ready(run);
}

static void broker_ready(void *owner) {
    struct run *run = owner;

    run->is_broker_ready = true;
    start_when_ready(run);
}

static void broker_failed(void *owner, const char *error) {
    log_error("%s", error);
    stop_with(owner, EXIT_CREDFD);
}

static void broker_stopped(void *owner) {
    (void)owner;
    loop_stop();
}

static void command_ended(void *owner, int status) {
    if (WEAKENED(END))
        _exit(status);
    stop_with(owner, status);
}

/* An earlier reading is kept: what was granted by it may still be looked at. */
static int read_settings(struct run *run) {
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    _cleanup_free_ char *error = NULL;
    int r = !loaded               ? -ENOMEM
            : run->n_profiles > 0 ? profile_load(run->profiles, run->n_profiles, &loaded->settings, &error)
                                  : settings_load(run->path, &loaded->settings, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        free(loaded);
        return r;
    }
    log_set_level(loaded->settings->log_level);
    if (run->audit)
        r = settings_set_audit(loaded->settings, run->audit, "run: --audit");
    loaded->earlier = run->settings;
    run->settings = loaded;
    return r;
}

static void loaded_free(struct loaded *loaded) {
    settings_free(loaded->settings);
    free(loaded);
}

/* The first reading stays: the names of the leases are in it. */
static void forget_unused(struct run *run) {
    struct loaded **at = &run->settings;

    while (*at && (*at)->earlier) {
        struct loaded *loaded = *at;

        if (broker_uses(run->broker, loaded->settings)) {
            at = &loaded->earlier;
        } else {
            *at = loaded->earlier;
            loaded_free(loaded);
        }
    }
}

/* A configuration that cannot be read changes nothing. */
static void reload(void *owner) {
    struct run *run = owner;

    if (run->is_stopping || !run->is_broker_ready)
        return;
    if (read_settings(run) < 0) {
        log_error("run: the configuration was not read again: everything goes on as it was");
        return;
    }
    broker_reload(run->broker, run->settings->settings);
    forget_unused(run);
}

static int supervise(struct run *run) {
    struct broker_owner owner = {
        .ready = broker_ready, .failed = broker_failed, .stopped = broker_stopped, .owner = run};
    _cleanup_free_ char *error = NULL;
    int r = workload_init(&run->workload, run, command_ended, reload);

    if (r == 0)
        r = broker_start(run->settings->settings, run->names, run->n_names, &owner, &run->broker, &error);
    if (r == 0) /* at once: the relay starts while the secrets are read */
        r = broker_grant(run->broker, run->identity, NULL, holder_ready, run, run->ends, &run->holder);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        if (!run->broker)
            return EXIT_CREDFD;
        stop_with(run, EXIT_CREDFD);
    }
    r = loop_run();
    broker_free(run->broker);
    workload_done(&run->workload);
    return r < 0 ? EXIT_CREDFD : run->status;
}

static int load(struct run *run) {
    _cleanup_free_ char *error = NULL;
    int r = run->n_profiles > 0 ? 0 : settings_find(run->config, &run->path, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return r;
    }
    return read_settings(run);
}

static int check_secrets(const struct run *run) {
    for (size_t i = 0; i < run->n_names; i++) {
        _cleanup_free_ char *error = NULL;
        int r = settings_check_secret(&settings_credential(run->settings->settings, run->names[i])->secret, &error);

        if (r < 0) {
            log_error("%s", error ? error : strerror(-r));
            return r;
        }
    }
    return 0;
}

/* Without --lease: every credential, in the order of the file. */
static int choose_leases(struct run *run) {
    const struct settings *settings = run->settings->settings;

    if (settings->n_credentials == 0) {
        log_error("run: %s has no `credentials`; add a list of at least one, see credfd.yaml(5)", settings->path);
        return -ENOENT;
    }
    if (run->n_names == 0)
        for (; run->n_names < settings->n_credentials; run->n_names++)
            run->names[run->n_names] = settings->credentials[run->n_names].name;
    for (size_t i = 0; i < run->n_names; i++) {
        run->ends[i] = -EBADF;
        if (!settings_credential(settings, run->names[i])) {
            log_error("run: --lease %s: no credential of that name in %s; credfd check lists them", run->names[i],
                      settings->path);
            return -ENOENT;
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(run->names[i], run->names[j]) == 0) {
                log_error("run: --lease %s: given twice; once is enough", run->names[i]);
                return -EINVAL;
            }
    }
    return 0;
}

/* A name for the audit; nothing is permitted or refused by it. */
static int choose_identity(struct run *run) {
    static char number[16];
    const struct passwd *user;

    if (!run->identity) {
        user = getpwuid(getuid());
        (void)snprintf(number, sizeof(number), "%u", (unsigned)getuid());
        run->identity = user && strlen(user->pw_name) <= LIMIT_NAME ? user->pw_name : number;
    }
    if (run->identity[0] == '\0' || strlen(run->identity) > LIMIT_NAME) {
        log_error("run: --as: a name of 1 to %d bytes", LIMIT_NAME);
        return -EINVAL;
    }
    return 0;
}

static int add_lease(struct run *run, const char *name) {
    if (run->n_names == LIMIT_LEASES) {
        log_error("run: --lease: no more than %d", LIMIT_LEASES);
        return -E2BIG;
    }
    run->names[run->n_names++] = name;
    return 0;
}

/* The n-th profile and the n-th secret belong together. */
static int add_to_choices(struct run *run, bool is_profile, const char *text) {
    size_t *n = is_profile ? &run->n_profiles : &run->n_secrets;

    if (*n == LIMIT_LEASES) {
        log_error("run: %s: no more than %d", is_profile ? "--profile" : "--secret", LIMIT_LEASES);
        return -E2BIG;
    }
    if (is_profile)
        run->profiles[*n].name = text;
    else
        run->profiles[*n].secret = text;
    ++*n;
    return 0;
}

/* As parse_options. */
static int check_options(const struct run *run) {
    if (run->n_profiles != run->n_secrets)
        return usage_refuse("run", "each --profile needs one --secret, and each --secret a --profile");
    if (run->n_profiles > 0 && run->config)
        return usage_refuse("run", "--profile stands in place of a configuration; leave one of them out");
    return *run->argv ? -1 : usage_refuse("run", "no command is given");
}

/* -1 to go on, else the exit status. */
static int parse_options(struct run *run, int argc, char **argv) {
    enum { AS = 256, LEASE, PROFILE, SECRET, AUDIT };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"as", required_argument, NULL, AS},
        {"lease", required_argument, NULL, LEASE},
        {"audit", required_argument, NULL, AUDIT},
        {"profile", required_argument, NULL, PROFILE},
        {"secret", required_argument, NULL, SECRET},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "+:c:", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            run->config = optarg;
            break;
        case AS:
            run->identity = optarg;
            break;
        case LEASE:
            if (add_lease(run, optarg) < 0)
                return EXIT_CREDFD;
            break;
        case PROFILE:
        case SECRET:
            if (add_to_choices(run, option == PROFILE, optarg) < 0)
                return EXIT_CREDFD;
            break;
        case AUDIT:
            run->audit = optarg;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    run->argv = argv + optind;
    return check_options(run);
}

static int prepare(struct run *run) {
    int r = harden_against_inspection(); /* our own environment may hold a key: before anything else runs */

    if (r == 0)
        r = child_find_programs();
    if (r == 0)
        r = loop_init();
    if (r < 0)
        log_error("run: credfd cannot start: %s", strerror(-r));
    if (r == 0)
        r = load(run);
    if (r == 0)
        r = choose_leases(run);
    if (r == 0)
        r = check_secrets(run);
    return r == 0 ? choose_identity(run) : r;
}

int cmd_run(int argc, char **argv) {
    struct run run = {.status = EXIT_CREDFD};
    int status = parse_options(&run, argc, argv);

    if (status >= 0)
        return status;
    status = prepare(&run) < 0 ? EXIT_CREDFD : supervise(&run);
    while (run.settings) {
        struct loaded *loaded = run.settings;

        run.settings = loaded->earlier;
        loaded_free(loaded);
    }
    free(run.path);
    return status;
}
