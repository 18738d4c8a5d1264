/*
 * Egress, as seen by whoever needs leases: `credfd run` and the runner. Lives in the supervisor: it starts the keeper,
 * the resolver and the sources, and starts them again when they die; hands out leases, introduces each stream's relay
 * to the keeper, and writes the audit. Parses nothing, maps no secret, opens no connection.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "egress/audit/audit_codec.h"
#include "egress/desk/doors.h"
#include "egress/settings/settings.h"

struct broker;

struct broker_owner {
    /* Every secret is held and every role of the broker is listening. */
    void (*ready)(void *owner);
    /* It cannot begin: `error` is one line for a person. Called once, instead of `ready`. */
    void (*failed)(void *owner, const char *error);
    /* Every process of the broker has ended, after broker_stop or a failure. */
    void (*stopped)(void *owner);
    /*
     * May be NULL, as the next. Appends how the owner does, an object of JSON of at most LIMIT_RUNNER_STATUS bytes, to
     * an empty buffer: for whoever asks on the control socket. 0 or -errno.
     */
    int (*status)(void *owner, struct buf *to);
    /* An exchange on a lease of `name` is over; may be NULL too. The record is valid during the call. */
    void (*exchange)(void *owner, const char *name, const struct exchange_record *record);
    /* A connection to a host without a lease is over, or was refused; may be NULL. `authority` is its host and port. */
    void (*way)(void *owner, const char *authority, const struct exchange_record *record);
    /* Appends the owner's own numbers to the broker's metrics, LIMIT_METRICS bytes in all. 0, -ENOBUFS or -ENOMEM. */
    int (*metrics)(void *owner, struct buf *to);
    void *owner;
};

/*
 * Begins to start. `settings` is borrowed for the broker's life; only the credentials named in `names` are used (they
 * are in the settings). 0 with `*ret` the caller's, or -errno with `*ret_error` as settings_load; `*ret`, when it was
 * set, is the caller's then, too.
 */
int broker_start(const struct settings *settings, const char *const *names, size_t n_names,
                 const struct broker_owner *owner, struct broker **ret, char **ret_error);

/*
 * The configuration was read again. Rules, limits, executables and time-outs of the credentials in use are taken over,
 * and so is where their secrets lie; leases of a credential that is not in it any more end. What else has changed of
 * one is named in the log, and not taken over. The audit is opened anew, and every source asked again. `settings` is
 * borrowed from now on; those before for as long as broker_uses says so.
 */
void broker_reload(struct broker *broker, const struct settings *settings);

/* Whether something of them is still looked at. */
bool broker_uses(const struct broker *broker, const struct settings *settings);

/* Ends every holder and role; `stopped` is called when all are gone and all that they reported is written. */
void broker_stop(struct broker *broker);
void broker_free(struct broker *broker);

/* The names of every role's program, each of which may be started again at any time; ends with NULL. */
extern const char *const broker_programs[];

/* Whether every role's program is there, after child_find_programs. 0, or -errno with `*ret_error` as broker_start. */
int broker_check_programs(char **ret_error);

struct holder;

/*
 * A workload's leases: one relay of its own, and for each credential, in the order of `names`, a lease channel whose
 * end for the workload is put into `ret_ends` (the caller's, close-on-exec). `identity` is a name of at most
 * LIMIT_IDENTITY bytes. `on_ready` is called when the relay listens, and the files that `doors` are to have are there:
 * before that the workload must not run. `doors` is borrowed for the holder's life; NULL for none. 0 or -errno.
 */
int broker_grant(struct broker *broker, const char *identity, struct doors *doors, void (*on_ready)(void *owner),
                 void *owner, int *ret_ends, struct holder **ret);

/* The sockets of its doors have been made: they are handed to the relay. Once, before `on_ready`. 0 or -errno. */
int holder_open_doors(struct holder *holder);

/*
 * The leases end: streams are cut, the relay exits. The holder is the caller's no more; after broker_stop it has been
 * none of the caller's already.
 */
void holder_end(struct holder *holder);

/*
 * `on_lost` is told, once, when the relay could not start or has died: the leases are over, and holder_end is still
 * due. Without it a relay that cannot start is a broker that has failed.
 */
void holder_on_lost(struct holder *holder, void (*on_lost)(void *owner));

/* Why the leases cannot be, as a line for a person, in `on_lost`; NULL where no more is known than that. */
const char *holder_fault(const struct holder *holder);

/* A key that came from elsewhere than the settings, and what it may be used for. */
struct loan {
    /*
     * Rules, limits, injections, time-outs, environment: as a profile says them; its upstream and its secret count for
     * nothing. Copied.
     */
    const struct credential *terms;
    const char *name;     /* of the lease, in audit and log: to LIMIT_NAME */
    const char *upstream; /* where the key may go, and a path before every path; checked as one of the settings is */
    int key;              /* sealed memory with the key in it, the broker's from now on, even on failure */
};

/*
 * As broker_grant, for one lease of a credential that lives as long as its holder, and that no other holder can use. A
 * broker that only lends is started with no names. 0; -EINVAL (not an upstream that a credential may have); or -errno.
 */
int broker_lend(struct broker *broker, const struct loan *loan, const char *identity, void (*on_ready)(void *owner),
                void *owner, int *ret_end, struct holder **ret);

/*
 * What its leases give to a command's environment, their descriptors being `fd` and upward: `NAME=VALUE`, each ended by
 * a NUL. 0 or -errno (egress/settings/environment.h); `*to` grows.
 */
int holder_environment(const struct holder *holder, int fd, struct buf *to);
