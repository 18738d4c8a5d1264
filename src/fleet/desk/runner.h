/*
 * The runner's supervisor: starts the link, the broker's roles and, for each task, its processes; starts them again when
 * they die; keeps the queue, the spool and the leases together, and ends them. Parses no byte of the hub's and none of a
 * task's, maps no key. Used by cmd/runner.c.
 */
#pragma once

#include "egress/settings/settings.h"
#include "fleet/settings.h"

struct runner;

struct runner_owner {
    void (*ready)(void *owner);                     /* every role serves; the link may still be on its way */
    void (*failed)(void *owner, const char *error); /* it cannot begin: one line */
    void (*stopped)(void *owner);                   /* every process has ended */
    void *owner;
};

/* What the kernel and this build can do: credfd doctor's needs. */
struct runner_ability {
    bool can_broker;
    const char *why_not; /* a constant, or NULL */
};

/*
 * `settings` are borrowed for its life, `common` (of the same file, or settings_new) until it is read again. 0, or -errno
 * with one line in `*ret_error`, the caller's (NULL without memory): then the caller ends, and with it what was started.
 */
int runner_start(const struct runner_settings *settings, const struct settings *common,
                 const struct runner_ability *ability, const struct runner_owner *owner, struct runner **ret,
                 char **ret_error);

/*
 * Read again: permission, upstreams, limits, the profile of tasks that begin from now on, the token, the log level. What
 * cannot change is named in the log. Both are borrowed until the next time.
 */
void runner_reload(struct runner *runner, const struct runner_settings *settings, const struct settings *common);

/* No task begins any more; running ones get `grace`, then are cancelled; results are sent; then `stopped`. */
void runner_drain(struct runner *runner);

/* Ends now; what is not sent stays in the spool. */
void runner_stop(struct runner *runner);
void runner_free(struct runner *runner);
