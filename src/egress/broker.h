/*
 * Egress, as seen by whoever needs leases: `credfd run` and the runner. Lives in the supervisor: it starts the keeper,
 * the resolver and the sources, hands out leases, introduces each stream's relay to the keeper, and writes the audit.
 * Parses nothing, maps no secret, opens no connection.
 */
#pragma once

#include "egress/settings.h"

struct broker;

struct broker_owner {
    /* Every secret is held and every role of the broker is listening. */
    void (*ready)(void *owner);
    /* It cannot go on: `error` is one line for a person. Called once, before `ready` or instead of it. */
    void (*failed)(void *owner, const char *error);
    /* Every process of the broker has ended, after broker_stop or a failure. */
    void (*stopped)(void *owner);
    void *owner;
};

/*
 * Begins to start. `settings` is borrowed for the broker's life; only the credentials named in `names` are used (they
 * are in the settings). `audit_where` begins a complaint about `audit_path`. 0 with `*ret` the caller's, or -errno with
 * `*ret_error` as settings_load.
 */
int broker_start(const struct settings *settings, const char *const *names, size_t n_names, const char *audit_path,
                 const char *audit_where, const struct broker_owner *owner, struct broker **ret, char **ret_error);

/* Ends every holder and role; `stopped` is called when all are gone and all that they reported is written. */
void broker_stop(struct broker *broker);
void broker_free(struct broker *broker);

/* Whether every role's program is there, after child_find_programs. 0, or -errno with `*ret_error` as broker_start. */
int broker_check_programs(char **ret_error);

struct holder;

/*
 * A workload's leases: one relay of its own, and for each credential, in the order of `names`, a lease channel whose
 * end for the workload is put into `ret_ends` (the caller's, close-on-exec). `identity` is a name of at most
 * LIMIT_NAME bytes. `on_ready` is called when the relay listens: before that the workload must not run. 0 or -errno.
 */
int broker_grant(struct broker *broker, const char *identity, void (*on_ready)(void *owner), void *owner, int *ret_ends,
                 struct holder **ret);

/* The leases end: streams are cut, the relay exits. */
void holder_end(struct holder *holder);
