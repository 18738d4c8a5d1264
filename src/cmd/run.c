/*
 * `credfd run`: starts a command that holds leases. This process is the supervisor: it starts the broker's roles, lets
 * the command run when they are ready, and ends them when it has ended. It parses no byte that the command sends.
 */
#include "cmd/cmd.h"

#include <errno.h>
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
#include "cmd/run_doors.h"
#include "cmd/run_kept.h"
#include "cmd/run_learn.h"
#include "proc/child.h"
#include "sandbox/harden.h"

#define ENVIRONMENT_MAX (6 * 1024 * 1024) /* no more is taken of arguments and environment together (execve(2)) */

/* One reading of the configuration. */
struct loaded {
    struct loaded *earlier;
    struct settings *settings;
};

struct run {
    struct run_options options;
    const char *identity;
    char *path;                   /* of the configuration that was found */
    char *profiles[LIMIT_LEASES]; /* the files of the profiles that were found; later readings take the same */
    const char *names[LIMIT_LEASES];
    size_t n_names;
    struct loaded *settings; /* as last read; those before may still be in use */
    struct doors doors;
    struct learning *learning; /* NULL: nothing is learnt */
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
    struct workload_plan plan = {
        .argv = run->options.argv, .leases = run->ends, .n_leases = run->n_names, .bundle = run->doors.bundle};
    struct buf environment;
    int r;

    buf_init(&environment, ENVIRONMENT_MAX);
    r = doors_environment(&environment, &run->doors, getenv("JAVA_TOOL_OPTIONS"), getenv("NODE_OPTIONS"));
    if (r == 0) /* last: what a credential's own `env` says counts */
        r = holder_environment(run->holder, 3, &environment);
    plan.environment = buf_slice(&environment);
    if (r < 0)
        log_error("run: no memory for the command's environment");
    else if ((r = workload_start(&run->workload, &plan)) < 0)
        log_error("run: no process for the command: %s", strerror(-r));
    buf_release(&environment);
    run->doors.command = run->workload.pid;
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

static void exchanged(void *owner, const char *name, const struct exchange_record *record) {
    struct run *run = owner;

    if (run->learning)
        learning_take(run->learning, name, record);
}

static void way_used(void *owner, const char *authority, const struct exchange_record *record) {
    struct run *run = owner;

    if (run->learning)
        learning_take_way(run->learning, authority, record);
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
    int r = !loaded ? -ENOMEM
            : run->options.n_profiles > 0
                ? profile_load(run->options.profiles, run->options.n_profiles, run->profiles, &loaded->settings, &error)
                : settings_load(run->path, &loaded->settings, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        free(loaded);
        return r;
    }
    log_set_level(loaded->settings->log_level);
    r = run_kept_find_programs(loaded->settings, run->settings ? run->settings->settings : NULL);
    if (r == 0 && run->options.audit)
        r = settings_set_audit(loaded->settings, run->options.audit, "run: --audit");
    if (run->options.has_proxy)
        loaded->settings->egress.is_there = true;
    if (run->learning)
        learning_allow_all(loaded->settings);
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

/* The roles are starting meanwhile. 0, or -errno after a word in the log. */
static int make_doors(struct run *run) {
    bool has_profiles = run->options.n_profiles > 0;
    int r;

    if (!run_doors_need_place(&run->doors, &run->options))
        return 0;
    r = run_doors_make(&run->doors, &run->options, run->settings->settings,
                       has_profiles ? (const char *const *)run->profiles : (const char *const *)&run->path,
                       has_profiles ? run->options.n_profiles : 1, &run->workload);
    if (r < 0)
        return r;
    run->doors.command = run->workload.pid;
    r = holder_open_doors(run->holder);
    if (r < 0)
        log_error("run: the doors could not be opened: %s", strerror(-r));
    return r;
}

/* 0, or -errno after a word in the log. */
static int begin(struct run *run) {
    struct broker_owner owner = {.ready = broker_ready,
                                 .failed = broker_failed,
                                 .stopped = broker_stopped,
                                 .exchange = exchanged,
                                 .way = way_used,
                                 .owner = run};
    _cleanup_free_ char *error = NULL;
    int r = workload_init(&run->workload, run, command_ended, reload);

    if (r == 0)
        r = broker_start(run->settings->settings, run->names, run->n_names, &owner, &run->broker, &error);
    if (r == 0) /* at once: the relay starts while the secrets are read */
        r = broker_grant(run->broker, run->identity, &run->doors, holder_ready, run, run->ends, &run->holder);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return r;
    }
    return make_doors(run);
}

static int supervise(struct run *run) {
    int r = begin(run);

    if (r < 0 && !run->broker)
        return EXIT_CREDFD;
    if (r < 0)
        stop_with(run, EXIT_CREDFD);
    r = loop_run();
    broker_free(run->broker);
    workload_done(&run->workload);
    return r < 0 ? EXIT_CREDFD : run->status;
}

static int load(struct run *run) {
    _cleanup_free_ char *error = NULL;
    int r = run->options.n_profiles > 0 ? 0 : settings_find(run->options.config, &run->path, &error);

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

    if (settings->n_credentials == 0 && !settings->egress.is_there) {
        log_error("run: %s has no `credentials` and no `egress`; add one of them, see credfd.yaml(5)", settings->path);
        return -ENOENT;
    }
    memcpy(run->names, run->options.names, sizeof(run->names));
    run->n_names = run->options.n_names;
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

    run->identity = run->options.identity;
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

static int prepare(struct run *run) {
    int r = harden_against_inspection(); /* our own environment may hold a key: before anything else runs */

    if (r == 0)
        r = child_find_programs();
    if (r == 0)
        r = loop_init();
    if (r < 0)
        log_error("run: credfd cannot start: %s", strerror(-r));
    if (r == 0 && run->options.learn)
        r = learning_open(run->options.learn, &run->learning);
    if (r == 0)
        r = load(run);
    if (r == 0)
        r = choose_leases(run);
    if (r == 0)
        r = check_secrets(run);
    if (r == 0)
        r = run_doors_plan(&run->doors, run->settings->settings, run->names, run->n_names);
    return r == 0 ? choose_identity(run) : r;
}

int cmd_run(int argc, char **argv) {
    struct run run = {.status = EXIT_CREDFD};
    int status = run_options_parse(argc, argv, &run.options);

    if (status >= 0)
        return status;
    doors_plan(&run.doors, NULL, 0, false);
    status = prepare(&run) < 0 ? EXIT_CREDFD : supervise(&run);
    doors_done(&run.doors);
    learning_finish(run.learning);
    while (run.settings) {
        struct loaded *loaded = run.settings;

        run.settings = loaded->earlier;
        loaded_free(loaded);
    }
    free(run.path);
    for (size_t i = 0; i < run.options.n_profiles; i++)
        free(run.profiles[i]);
    return status;
}
