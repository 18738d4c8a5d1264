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
#include "cmd/lease_env.h"
#include "cmd/usage.h"
#include "cmd/workload.h"
#include "egress/broker.h"
#include "proc/child.h"
#include "sandbox/harden.h"

static const char usage[] =
    "usage: credfd run [-c FILE] [--as NAME] [--lease NAME]... [--audit FILE] -- COMMAND [ARGUMENT]...\n"
    "\n"
    "Runs the command with a lease of each credential: a descriptor, 3 upward, through which its HTTP\n"
    "requests reach the API with the key. The command itself never holds a key.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --as NAME      in whose name: stands in the audit; the invoking user without it\n"
    "      --lease NAME   only this credential; may be given several times, in the order of the descriptors\n"
    "      --audit FILE   where the audit goes, instead of the configuration's; - is standard error\n"
    "      --help         print this\n"
    "\n"
    "The exit status is the command's; 128 and the signal's number when a signal ended it; 125 when\n"
    "credfd failed, 126 when the command cannot be executed, 127 when it is not found.\n";

struct run {
    const char *config, *identity, *audit;
    const char *names[LIMIT_LEASES];
    size_t n_names;
    char **argv;
    struct settings *settings;
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

static bool set_environment(void *owner) {
    struct run *run = owner;

    return lease_env_set(run->settings, run->names, run->n_names, 3);
}

/* Not before every role has hardened itself: what the command could look into by then, it could look into for good. */
static void start_when_ready(struct run *run) {
    struct workload_plan plan = {
        .argv = run->argv, .leases = run->ends, .n_leases = run->n_names, .set_environment = set_environment};
    int r;

    if (!run->is_broker_ready || !run->is_holder_ready || run->is_stopping)
        return;
    r = workload_start(&run->workload, &plan);
    for (size_t i = 0; i < run->n_names; i++)
        fd_close(&run->ends[i]);
    if (r < 0)
        log_error("run: no process for the command: %s", strerror(-r));
    if (r == 0 && (r = harden_supervisor()) < 0)
        log_error("run: credfd cannot close its own sandbox: %s", strerror(-r));
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

/* Before the command runs that is the end; afterwards the command lives on and its requests are told 503. */
static void broker_failed(void *owner, const char *error) {
    struct run *run = owner;

    log_error("%s", error);
    if (run->workload.pid == 0)
        stop_with(run, EXIT_CREDFD);
}

static void broker_stopped(void *owner) {
    (void)owner;
    loop_stop();
}

static void command_ended(void *owner, int status) {
    stop_with(owner, status);
}

static int supervise(struct run *run) {
    struct broker_owner owner = {
        .ready = broker_ready, .failed = broker_failed, .stopped = broker_stopped, .owner = run};
    _cleanup_free_ char *error = NULL;
    int r = workload_init(&run->workload, run, command_ended);

    if (r == 0)
        r = broker_start(run->settings, run->names, run->n_names, run->audit ? run->audit : run->settings->audit_file,
                         run->audit ? "run: --audit" : run->settings->audit_where, &owner, &run->broker, &error);
    if (r == 0) /* at once: the relay starts while the secrets are read */
        r = broker_grant(run->broker, run->identity, holder_ready, run, run->ends, &run->holder);
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
    _cleanup_free_ char *path = NULL, *error = NULL;
    int r = settings_find(run->config, &path, &error);

    if (r == 0)
        r = settings_load(path, &run->settings, &error);
    if (r < 0)
        log_error("%s", error ? error : strerror(-r));
    return r;
}

/* Without --lease: every credential, in the order of the file. */
static int choose_leases(struct run *run) {
    const struct settings *settings = run->settings;

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

/* -1 to go on, else the exit status. */
static int parse_options(struct run *run, int argc, char **argv) {
    enum { AS = 256, LEASE, AUDIT };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},  {"as", required_argument, NULL, AS},
        {"lease", required_argument, NULL, LEASE}, {"audit", required_argument, NULL, AUDIT},
        {"help", no_argument, NULL, 'h'},          {0},
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
    return optind < argc ? -1 : usage_refuse(argv[0], "no command is given");
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
    return r == 0 ? choose_identity(run) : r;
}

int cmd_run(int argc, char **argv) {
    struct run run = {.status = EXIT_CREDFD};
    int status = parse_options(&run, argc, argv);

    if (status >= 0)
        return status;
    status = prepare(&run) < 0 ? EXIT_CREDFD : supervise(&run);
    settings_free(run.settings);
    return status;
}
