/*
 * What the rooms of the broker share: broker.c (its life), broker_reload.c, answers.c (who asks it), possession.c (the
 * credentials that it has), custody.c (keeper and resolver, and what they are given), vault.c (where the keeper has the
 * keys of loans), holder.c (workloads), spare.c (the relay of the next loan), dial.c (their streams), calls.c (those who
 * connect), grant.c (leases), report.c. Nobody else includes it.
 */
#pragma once

#include "base/secret_vault.h"
#include "egress/audit/audit.h"
#include "egress/desk/broker.h"
#include "egress/desk/certificates.h"
#include "egress/desk/control.h"
#include "egress/desk/metrics.h"
#include "egress/desk/stream_table.h"
#include "egress/number_table.h"
#include "metrics/metrics_server.h"
#include "proc/standing.h"
#include "secrets/secret_feed.h"

/*
 * A credential that the broker has: one of the configuration's, or one that is lent, with its key. The secret is sealed
 * and never mapped here; it is kept because a keeper that is started again needs it. What else is known of it lives for
 * as long as somebody means it: the broker, a lease, a stream of which the keeper may still tell.
 */
struct possession {
    struct broker *broker;
    size_t refs;
    uint32_t number; /* in the keeper */
    uint32_t label;  /* in the metrics */
    const struct credential *credential;
    struct credential *lent;   /* the same, where it was lent: its own */
    struct secret_feed *feed;  /* of its secret, where it was not; never begun where another has the secret for both */
    struct possession *leader; /* that other one; NULL where there is none */
    int sealed;                /* -EBADF before there is one, once it lies at `place`, and once a loan is over */
    struct secret_place place; /* of a loan's, in the keeper's regions: vault.c */
    bool is_kept;              /* a keeper has said that it can use it */
    struct holder *borrower;   /* of a loan, while it has one */
    uint64_t expires_at;       /* base/clock.h; 0: never */
    struct certificates *ca;   /* of its ca_file; NULL without one */
};

struct broker {
    uint32_t pid; /* our own: half of each lease's id */
    const struct settings *settings;
    struct broker_owner owner;
    struct possession *configured[LIMIT_LEASES]; /* in the order of the names that it was started with */
    size_t n_configured;
    struct number_table possessions; /* all that the keeper is to know, by their numbers there */
    struct number_table identities;  /* holders, likewise */
    struct number_table regions;     /* of the keeper's memory for secrets: vault.c */
    struct certificates *certificates;
    struct standing keeper, resolver;
    bool is_keeper_serving; /* it has been given everything */
    bool is_audit_blocked;
    struct audit *audit;
    struct control *control;
    struct metrics metrics;
    struct metrics_server *metrics_server;
    int bundle; /* of further certificates to trust, or -EBADF */
    struct stream_table streams;
    struct ways *ways;      /* to hosts without a credential (ways.c); NULL: there are none */
    struct holder *holders; /* the newest first */
    struct holder *listed;  /* the one that somebody who lists them was told of last, or NULL */
    struct holder *spare;   /* whose relay waits for the next loan (spare.c), or NULL */
    struct timer spare_due;
    uint32_t n_leases; /* that were ever given out */
    struct timer stop_deadline;
    bool is_ready, is_stopping, is_late, is_told; /* is_told: the owner was told that it failed */
};

/* broker.c */

/* How a line in the audit is written. */
void broker_account(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record);

/* The same for one of many: its line may be written with the next, at the next audit_flush at the latest. */
void broker_note(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record);

/* It cannot go on: tells its owner, once. */
void broker_fail(struct broker *broker, const char *error);

/* Whether it can begin, or come to its end: something that it may wait for has happened. */
void broker_go_on(struct broker *broker);

/* answers.c */
void answers_start(struct broker *broker);
void answers_stop(struct broker *broker);

/* possession.c: each returns a reference to it, for possession_unref */

/* One of the configuration's, without its secret. 0 or -ENOMEM. */
int possession_new(struct broker *broker, const struct credential *credential, struct possession **ret);

/* Copies its ca_file. 0 or -errno with `*ret_error` as broker_start. */
int possession_trust(struct possession *possession, char **ret_error);

/* Has its secret from now on. As possession_trust. */
int possession_feed(struct possession *possession, char **ret_error);

/* What a loan is made into, and the keeper is told of. Takes loan->key over, even on failure. As broker_lend. */
int possession_lend(struct broker *broker, const struct loan *loan, struct possession **ret);

struct possession *possession_ref(struct possession *possession);
void possession_unref(struct possession *possession);

/* Who had a lease of it has none any more: a key that was lent is gone, here and in the keeper. */
void possession_take_back(struct possession *possession);

/* custody.c */

/* 0 or -errno with `*ret_error` as broker_start. */
int custody_start(struct broker *broker, char **ret_error);
void custody_stop(struct broker *broker);
bool custody_is_ready(const struct broker *broker); /* every role listens */
bool custody_is_quiet(const struct broker *broker); /* none is left */

/* Everything that the keeper must know, once it can; again when it was started again. 0 or -errno. */
int custody_serve(struct broker *broker);

/* Sees to it that a name in its upstream can be resolved. 0 or -errno. */
int custody_resolve_for(struct broker *broker, const struct credential *credential);

/* There is a resolver from now on. 0 or -errno. */
int custody_start_resolver(struct broker *broker);

/*
 * The resolver, if it listens, and the role at the other end of `channel` get a channel to each other; where one of them
 * has died, when it has been started again. 0 or -errno.
 */
int custody_introduce_resolver(struct broker *broker, struct channel *channel);

/* One thing of it, as it is now. Nothing happens while there is no keeper: it will be told with the rest. */
void custody_send_possession(const struct possession *possession);
void custody_send_definition(const struct possession *possession);
void custody_send_secret(const struct possession *possession);
void custody_send_blocked(struct broker *broker);
void custody_send(struct broker *broker, const struct ipc_writer *w, int fd);

/* vault.c: where the keeper has the keys of loans */

/* The keeper's IPC_VAULT and IPC_KEPT. 0 or -EPROTO. */
int vault_take(struct broker *broker, struct ipc_message *m);
int vault_take_kept(struct broker *broker, struct ipc_message *m);

/* To a keeper that was started again: the regions, the secrets that lie there, and that those were all. 0 or -errno. */
int vault_send_regions(struct broker *broker);
int vault_send_place(const struct possession *possession, uint64_t left_ms);
int vault_send_end(struct broker *broker);
void vault_done(struct broker *broker);

/* holder.c */

/* One of the workload's leases. */
struct grant {
    struct possession *possession;
    uint32_t number;     /* of its id, "PID-NUMBER"; 0 before it has begun */
    uint64_t granted_ms; /* since 1970 */
    uint64_t granted_at; /* base/clock.h: its ttl counts from here */
    uint32_t n_open;     /* streams that were dialled, and that the relay has not ended */
    uint32_t n_called;   /* likewise, through doors where it listens */
    uint64_t requests, refused, bytes_in, bytes_out;
    uint64_t admitted;                       /* of the requests: what a budget counts */
    uint64_t claimed;                        /* bytes that a keeper may have spent, told or not */
    enum refusal ended;                      /* REFUSAL_NONE while it lives */
    char placeholder[LIMIT_PLACEHOLDER + 1]; /* of this lease alone; empty for none */
};

struct holder {
    struct holder *next, **at; /* of the broker's list; a spare is in none */
    struct broker *broker;
    struct child relay;
    char identity[LIMIT_IDENTITY + 1];
    uint32_t identity_number; /* in the keeper: connections are never shared between two */
    void (*on_ready)(void *owner);
    void *owner;
    void (*on_lost)(void *owner); /* or NULL */
    struct doors *doors;          /* beside the lease channels; NULL for none */
    struct way *ways;             /* to hosts without a credential: ways.c */
    size_t n_ways;
    bool is_open;   /* they were handed to the relay, or there are none */
    bool is_told;   /* its owner knows that it is ready */
    bool is_ending; /* its owner has no use for it any more */
    bool is_gone;   /* its relay is */
    char *fault;    /* why its lease cannot be; NULL while none is known */
    size_t n_grants;
    struct grant grants[]; /* by the numbers of their doors in the relay */
};

/* Its lease cannot be: its owner is told, and finds why in holder_fault. */
void holder_fail(struct holder *holder, struct slice fault);

/* Something has happened that its owner's `on_ready` may have waited for. */
void holder_go_on(struct holder *holder);

/* Takes it out of the broker's list. Its relay is gone. */
void holder_free(struct holder *holder);

/* A relay for one lease, which nobody holds yet. 0 with `*ret`, which is in no list; or -errno. */
int holder_start_spare(struct broker *broker, struct holder **ret);

/* spare.c */

/* A loan was made, or may come: a relay for the next is started in a while, if this broker lends. */
void spare_want(struct broker *broker);

/* The caller's from now on; NULL when there is none. */
struct holder *spare_take(struct broker *broker);

/* A holder that came to nothing before it was anybody's, with a relay or without, or NULL. */
void spare_give_back(struct broker *broker, struct holder *holder);

/* Its relay has gone, and nobody had it. */
void spare_gone(struct holder *holder);

void spare_stop(struct broker *broker);

/* dial.c: what a relay may say, for its permits; `owner` is the holder's struct child */
int dial_take(void *owner, struct ipc_message *m);
int dial_take_refusal(void *owner, struct ipc_message *m);
int dial_take_end(void *owner, struct ipc_message *m);

/* A stream for whoever has dialled, or called, at that door; his asker is to be filled in. NULL without memory. */
struct stream_entry *stream_new(struct holder *holder, uint32_t door, bool is_called);

/* Nobody is told of it, and it goes. */
void stream_forgo(struct holder *holder, struct stream_entry *entry);

/* How the relay is told of it, under the number that it asked by: `fd` is -EBADF while there is no keeper. 0 or -errno. */
typedef int stream_teller(struct holder *holder, const struct stream_entry *entry, uint32_t number, int fd);

/* Brings relay and keeper together. 0; or -errno: the entry is gone, and the relay is to be refused. */
int stream_connect(struct holder *holder, struct stream_entry *entry, uint32_t number, stream_teller *tell);

/* report.c */

/* A relay's IPC_REFUSAL about `entry` (NULL: malformed). 0, -EPROTO or -ENOMEM. */
int report_take(struct broker *broker, struct stream_entry *entry, struct ipc_message *m);

/* The keeper has told of an exchange: a report of the same is needless. */
void report_drop(struct stream_entry *entry);

/* The keeper is gone, and its last words were heard: what relays have reported counts now. */
void report_count_pending(struct broker *broker);

/* exfiltration.c */

/*
 * The audit's own line of a placeholder that strayed on a way: where the request that held it was going and who sent it,
 * and where in it the placeholder stood.
 */
void exfiltration_tell(struct holder *holder, const struct audit_subject *to, struct slice where);

/* The keeper's IPC_EXFILTRATION. 0 or -EPROTO. */
int exfiltration_take(struct broker *broker, struct ipc_message *m);

/* grant.c: each lease of a holder */

/* They begin: each gets its number, and the keeper and the audit hear of it. */
void holder_number_leases(struct holder *holder);

/* The lease of the credential that has this number in the keeper; NULL when there is none. */
struct grant *holder_grant(struct holder *holder, uint32_t credential);

/* Tells a keeper that was started again of this holder's leases, with what they have spent. */
void holder_grant_again(struct holder *holder);

/* Tells the keeper when one of them ends, after its ttl was changed. */
void holder_tell_life(struct holder *holder, const struct grant *grant);

/* One has ended by itself, or is ended now. `cause` is for the audit. */
void holder_lease_ended(struct holder *holder, struct grant *grant, enum refusal why, const char *cause);
void holder_revoke(struct holder *holder, struct grant *grant, enum refusal why, const char *cause);

/* Accounts to it what the record of one of its exchanges says. */
void grant_count(struct grant *grant, const struct exchange_record *record);

/* The lease with the smallest number above `after`, among this holder's, and `*ret` tells of it; or NULL. */
struct grant *holder_find_lease(struct holder *holder, uint32_t after, struct lease_info *ret);
