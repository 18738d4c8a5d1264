/*
 * The configuration of the runner, `runner:` of the one file, as it stands after every check that needs no network:
 * parsed, validated and owned in one object. `runner` and `check` read it; roles get what concerns them in messages.
 * What the runner has in common with the other commands (audit, metrics, timeouts) is egress/settings/settings.h's, of the same
 * file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "secrets/settings_secret.h"
#include "wire/uri.h"

/* One of `permission.bash`, in the order of the file: the last that matches decides. */
struct command_rule {
    char *pattern; /* fleet/shell/permission.h says how it matches */
    bool allows;
    size_t line; /* of the file; 0 where that is not known */
};

struct command_rules {
    bool allows_all; /* `bash: allow`: nothing is looked at */
    struct command_rule *rules;
    size_t n;
};

/* What a task may take; 0 is no limit where nothing else is said. */
struct task_limits {
    uint64_t timeout_ms;  /* of one that names none, and the most that one may name; never 0 */
    uint64_t grace_ms;    /* when the runner ends, for tasks to end by themselves */
    uint64_t memory;      /* bytes */
    uint64_t cpu_milli;   /* thousandths of one processor */
    uint64_t processes;   /* at once */
    uint64_t output;      /* bytes of one stream that are kept in .work/outputs/; the rest is counted, and lost */
    uint64_t output_rate; /* bytes a second that are told while it runs */
};

/* A server that a credential of a task may be bound to. */
struct task_upstream {
    char *text;                /* as written */
    struct uri_upstream place; /* taken apart; its slices look into `text` */
};

struct runner_settings {
    char *path; /* of the file; NULL without one */

    char *url;               /* as written, without a query: fit for the log */
    struct uri_upstream hub; /* taken apart; its slices look into `url` */
    struct secret_source token;
    char *ca_file; /* absolute: trusted for the hub instead of the system's; or NULL */

    char *workspace;      /* absolute */
    char *spool;          /* absolute */
    uint64_t spool_bytes; /* results that wait; no task begins while there are more */
    char *cli;            /* absolute, or a name to be sought in $PATH; NULL: the environment path only */
    char *user;           /* that tasks run as, or NULL for the runner's own */

    char *profile;     /* whose terms a task's lease has; NULL: everything is allowed */
    char **secret_env; /* names in a task's `env` that hold a key: masked in what it prints; ended by NULL */
    struct task_upstream *upstreams; /* none: any */
    size_t n_upstreams;
    struct command_rules permission;

    size_t concurrent; /* tasks that run at once */
    size_t queue;      /* tasks that wait */
    struct task_limits limits;
    uint64_t settle_ms; /* at the end: for the hub to take what was made */
    enum log_level log_level;
};

/* What a command line and the environment say, over the file. Each may be NULL. Borrowed. */
struct runner_overrides {
    const char *url, *workspace;
    const char *token; /* KIND:VALUE of secrets/settings_secret.h, never the token itself */
};

/*
 * Reads and checks `path`, or without one (NULL) what the overrides say alone. 0, or -errno with one line in
 * `*ret_error`, as settings_load of egress.
 */
int runner_settings_load(const char *path, const struct runner_overrides *overrides, struct runner_settings **ret,
                         char **ret_error);
/* As that, of bytes that the caller has; for tests and the fuzzer. */
int runner_settings_parse(const char *path, struct slice bytes, const struct runner_overrides *overrides,
                          struct runner_settings **ret, char **ret_error);
/*
 * What a runner cannot begin without: a token, and as far as can be seen without having it, in its place. 0; or -EINVAL
 * (-ENOMEM) with `*ret_error` as above.
 */
int runner_settings_check(const struct runner_settings *settings, char **ret_error);
void runner_settings_free(struct runner_settings *settings);
void runner_settings_free_pointer(struct runner_settings **settings);
#define _cleanup_runner_settings_ __attribute__((cleanup(runner_settings_free_pointer)))
