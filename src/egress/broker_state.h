/*
 * What the rooms of the broker share: broker.c (its life), custody.c (keeper and resolver, and what they are given),
 * holder.c (leases and streams). Nobody else includes it.
 */
#pragma once

#include "egress/audit.h"
#include "egress/broker.h"
#include "egress/control.h"
#include "egress/metrics.h"
#include "egress/stream_table.h"
#include "metrics/metrics_server.h"
#include "proc/standing.h"
#include "secrets/secret_feed.h"

/* A secret on its way: sealed, and never mapped here. Kept, because a keeper that is started again needs it. */
struct possession {
    struct secret_feed feed;
    int sealed;          /* -EBADF before there is one */
    uint64_t expires_at; /* base/clock.h; 0: never */
    int ca;              /* a copy of its ca_file, or -EBADF */
};

struct broker {
    const struct settings *settings;
    struct broker_owner owner;
    const struct credential *credentials[LIMIT_LEASES]; /* the ones in use; the index is their number in the keeper */
    struct possession possessions[LIMIT_LEASES];
    size_t n_credentials;
    struct standing keeper, resolver;
    bool is_keeper_serving; /* it has been given everything */
    bool is_audit_blocked;
    struct audit *audit;
    struct control *control;
    struct metrics metrics;
    struct metrics_server *metrics_server;
    int bundle; /* of further certificates to trust, or -EBADF */
    struct stream_table streams;
    struct holder *holders;
    uint32_t n_identities, n_leases; /* that were ever given out */
    struct timer stop_deadline;
    bool is_ready, is_stopping, is_late, is_told; /* is_told: the owner was told that it failed */
};

/* broker.c */

/* How a line in the audit is written. */
void broker_account(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record);

/* It cannot go on: tells its owner, once. */
void broker_fail(struct broker *broker, const char *error);

/* Whether it can begin, or come to its end: something that it may wait for has happened. */
void broker_go_on(struct broker *broker);

/* A holder's relay has gone. */
void broker_holder_gone(struct broker *broker, struct holder *holder);

/* custody.c */

/* 0 or -errno with `*ret_error` as broker_start. */
int custody_start(struct broker *broker, char **ret_error);
void custody_stop(struct broker *broker);
bool custody_is_ready(const struct broker *broker); /* every role listens */
bool custody_is_quiet(const struct broker *broker); /* none is left */

/* Everything that the keeper must know, once it can; again when it was started again. 0 or -errno. */
int custody_serve(struct broker *broker);

/* One thing of it, as it is now. Nothing happens while there is no keeper: it will be told with the rest. */
void custody_send_credential(struct broker *broker, uint32_t credential);
void custody_send_secret(struct broker *broker, uint32_t credential);
void custody_send_blocked(struct broker *broker);
void custody_send(struct broker *broker, const struct ipc_writer *w, int fd);

/* holder.c */
/* One of the workload's leases. */
struct grant {
    uint32_t number;     /* of its id, "PID-NUMBER" */
    uint64_t granted_ms; /* since 1970 */
    uint64_t granted_at; /* base/clock.h: its ttl counts from here */
    uint32_t n_open;     /* streams that the relay has not ended */
    uint64_t requests, refused, bytes_in, bytes_out;
    uint64_t admitted;  /* of the requests: what a budget counts */
    uint64_t claimed;   /* bytes that a keeper may have spent, told or not */
    enum refusal ended; /* REFUSAL_NONE while it lives */
};

struct holder {
    struct holder *next;
    struct broker *broker;
    struct child relay;
    char identity[LIMIT_NAME + 1];
    struct grant grants[LIMIT_LEASES];
    uint32_t identity_number; /* in the keeper: connections are never shared between two */
    void (*on_ready)(void *owner);
    void *owner;
    bool is_ending;
};

void holder_free(struct holder *holder);

/* report.c */

/* A relay's IPC_REFUSAL about `entry` (NULL: malformed). 0, -EPROTO or -ENOMEM. */
int report_take(struct broker *broker, struct stream_entry *entry, struct ipc_message *m);

/* The keeper has told of an exchange: a report of the same is needless. */
void report_drop(struct stream_entry *entry);

/* The keeper is gone, and its last words were heard: what relays have reported counts now. */
void report_count_pending(struct broker *broker);

/* grant.c: each lease of a holder by its credential's number */

/* They begin: each gets its number, and the keeper and the audit hear of it. */
void holder_number_leases(struct holder *holder);

/* Tells a keeper that was started again of this holder's leases, with what they have spent. */
void holder_grant_again(struct holder *holder);

/* Tells the keeper when one of them ends, after its ttl was changed. */
void holder_tell_life(struct holder *holder, uint32_t credential);

/* One has ended by itself, or is ended now. `cause` is for the audit. */
void holder_lease_ended(struct holder *holder, uint32_t credential, enum refusal why, const char *cause);
void holder_revoke(struct holder *holder, uint32_t credential, enum refusal why, const char *cause);

/* Accounts to it what the record of one of its exchanges says. */
void holder_count(struct holder *holder, uint32_t credential, const struct exchange_record *record);

/* The lease with the smallest number above `after`, among this holder's: false when there is none. */
bool holder_find_lease(struct holder *holder, uint32_t after, struct lease_info *ret, uint32_t *ret_credential);
