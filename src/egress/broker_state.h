/*
 * What broker.c (roles and secrets) and holder.c (leases and streams) share. Nobody else includes it.
 */
#pragma once

#include "egress/audit.h"
#include "egress/broker.h"
#include "egress/secret_source.h"
#include "egress/stream_table.h"

struct broker {
    const struct settings *settings;
    struct broker_owner owner;
    const struct credential *credentials[LIMIT_LEASES]; /* the ones in use; the index is their number in the keeper */
    struct resolution resolutions[LIMIT_LEASES];
    int sealed[LIMIT_LEASES];
    size_t n_credentials;
    struct child keeper, resolver;
    struct audit *audit;
    int bundle; /* of further certificates to trust, until the keeper has it */
    struct stream_table streams;
    struct holder *holders;
    uint32_t n_identities;
    struct timer stop_deadline;
    bool is_ready, is_stopping, is_late, is_told; /* is_told: the owner was told that it failed */
};

/* How a line in the audit is written, or how its loss is said. */
void broker_account(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record);

/* It cannot go on: tells its owner, once. */
void broker_fail(struct broker *broker, const char *error);

/* A holder's relay has gone: the broker may be waiting for it. */
void broker_holder_gone(struct broker *broker, struct holder *holder);

struct holder **holder_next(struct holder *holder);
void holder_free(struct holder *holder);
