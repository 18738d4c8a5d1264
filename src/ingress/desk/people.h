/*
 * What the supervisor knows of the people that dispatchers have seen, and of the health of instances: a record for
 * each, by name and by key, bounded. When there is room for no more, whoever was seen longest ago and has no tunnel
 * open is forgotten. Holds counters, times and words of ours; no cookie, no address, nothing that a stranger has
 * written but names that stand in the table. Filled by the desk, read by status.h and dispatch_metrics.h.
 *
 * Times are milliseconds since 1970, and the caller's: nothing here reads a clock.
 */
#pragma once

#include "base/limits.h"
#include "ingress/desk/shelf.h"
#include "ingress/desk/tally.h"
#include "ingress/pairing/session_codec.h"
#include "ingress/peer_role.h"
#include "ingress/table/table.h"

struct person {
    struct shelf_item item;
    char name[LIMIT_PERSON + 1];
    uint64_t requests, bytes_in, bytes_out;
    uint64_t seen_ms;                /* 0: only paired so far */
    uint32_t tunnels[LIMIT_WORKERS]; /* open now, by dispatcher */
    uint64_t pairings, pairing_failures;
    uint64_t paired_ms, failed_ms; /* the last of each; 0: none */
    enum pairing_fault fault;      /* of the last failure */
    char reason[LIMIT_REASON_SHOWN + 1];
    bool has_trouble; /* the last pairing did not work */
    bool is_gone;     /* not in the table any more */
};

struct instance_health {
    struct shelf_item item; /* its key is instance.key */
    char *key;
    char name[LIMIT_PERSON + 1]; /* of the first who has it */
    char os_user[LIMIT_OS_USER + 1];
    enum health health;
    uint64_t since_ms, asked_ms;
    uint32_t answer_ms; /* that its last answer took */
    bool is_there;      /* in the table: for people_table */
};

struct people;

/* 0 or -ENOMEM. */
int people_new(struct people **ret);
void people_free(struct people *people); /* NULL is fine */

/*
 * What IPC_SEEN of that dispatcher (a number below LIMIT_WORKERS) has told. Nobody is noted who is not in the table of
 * people_table, so that a dispatcher that was taken over makes nobody up.
 */
void people_seen(struct people *people, unsigned dispatcher, const struct seen *seen, uint64_t now_ms);

/* Its process has ended, and its tunnels with it. */
void people_dispatcher_ended(struct people *people, unsigned dispatcher);

/* What IPC_PAIRED has told; PAIRING_WORKED for success. `reason` is cut, and shown escaped. */
void people_paired(struct people *people, struct slice name, enum pairing_fault fault, struct slice reason,
                   uint64_t now_ms);

/* What IPC_HEALTH has told. */
void people_health(struct people *people, const struct instance *instance, enum health health, uint32_t answer_ms,
                   uint64_t now_ms);

/* There is a new table: people who are not in it are marked, instances that are not in it are forgotten. It is shared. */
void people_table(struct people *people, struct table *table);

/* In no order; `ret` has room for people_count, or people_count_instances. Valid until anything here is changed. */
size_t people_count(const struct people *people);
void people_list(const struct people *people, const struct person **ret);
size_t people_count_instances(const struct people *people);
void people_list_instances(const struct people *people, const struct instance_health **ret);

/* NULL: nothing was ever told of it. */
const struct instance_health *people_find_instance(const struct people *people, struct slice key);

/* How many instances are in each health; those of which nothing was ever told are not among them. */
void people_count_health(const struct people *people, size_t ret[static HEALTHS]);

/* How many people were forgotten, or not noted, for want of room. */
uint64_t people_forgotten(const struct people *people);

/* The tunnels that a person has open, at all dispatchers. */
uint64_t person_tunnels(const struct person *person);
