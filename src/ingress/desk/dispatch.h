/*
 * The dispatcher's supervisor: binds, starts dispatchers, pairer, steward, verifier and doorman, starts them again when
 * they die, gives them table, recipes and settings, and ends them. Parses no request, holds no cookie. Runs the mint
 * command for the pairer, because a role has no way to become somebody else. Used by cmd/dispatch.c.
 */
#pragma once

#include "ingress/settings.h"

struct dispatch;

struct dispatch_owner {
    void (*ready)(void *owner);                     /* every role serves */
    void (*failed)(void *owner, const char *error); /* it cannot begin: one line */
    void (*stopped)(void *owner);                   /* every process has ended */
    void *owner;
};

/*
 * `settings` are borrowed for its life. 0, or -errno with one line in `*ret_error`, the caller's (NULL without memory):
 * then the caller ends, and with it what was started.
 */
int dispatch_start(const struct dispatch_settings *settings, const struct dispatch_owner *owner, struct dispatch **ret,
                   char **ret_error);

/*
 * Read again: what can be changed while it serves is; no connection is dropped. Where it listens is not changed. The
 * settings that were in force must stay until the next reload.
 */
void dispatch_reload(struct dispatch *dispatch, const struct dispatch_settings *settings);

/* Accepts no more, waits for what is open until `drain_ms`, ends the rest; then `stopped`. */
void dispatch_drain(struct dispatch *dispatch);

/* Ends now. */
void dispatch_stop(struct dispatch *dispatch);
void dispatch_free(struct dispatch *dispatch);

/* Starts `argv` as a successor that gets the listening sockets; drains once it says that it serves. 0 or -errno. */
int dispatch_replace(struct dispatch *dispatch, char *const argv[]);
