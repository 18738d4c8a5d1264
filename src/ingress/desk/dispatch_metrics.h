/*
 * What the dispatcher's supervisor counts, and how it is told: the Prometheus text format 0.0.4. Pure: numbers in, text
 * out. Counters only go up for as long as the supervisor lives, whatever its roles do. Labels are words of our own:
 * neither a person's name nor anything from outside is ever one. Called by the desk, which serves it through
 * metrics/metrics_server.h.
 */
#pragma once

#include "base/buf.h"
#include "ingress/desk/people.h"
#include "ingress/desk/tally.h"

/* A role of PEER_ROLES, or one of these two. */
enum { DISPATCH_EXPORTER = PEER_ROLES, DISPATCH_SOURCE, DISPATCH_ROLES };

struct dispatch_metrics {
    struct tally total; /* of all dispatchers that ever were; its gauges are not used */
    uint64_t open_connections[LIMIT_WORKERS], open_tunnels[LIMIT_WORKERS]; /* by dispatcher */
    uint64_t pairings[PAIRING_FAULTS];                                     /* PAIRING_WORKED, and by why not */
    uint64_t pairings_by_fallback; /* worked, at another endpoint than the first */
    uint64_t restarts[DISPATCH_ROLES];
    uint64_t table_number, table_names, table_instances;
    uint64_t table_loaded_ms; /* since 1970; 0: never */
    uint64_t table_failures, table_failed_ms;
};

/* What IPC_TALLY of that dispatcher (a number below LIMIT_WORKERS) has told. */
void dispatch_metrics_tally(struct dispatch_metrics *metrics, unsigned dispatcher, const struct tally *tally);

/* Its process has ended: what it had open is open no more. */
void dispatch_metrics_ended(struct dispatch_metrics *metrics, unsigned dispatcher);

void dispatch_metrics_paired(struct dispatch_metrics *metrics, enum pairing_fault fault, bool by_fallback);

/* A role (enum peer_role, or one of the two above) died and is started again. */
void dispatch_metrics_restarted(struct dispatch_metrics *metrics, unsigned role);

void dispatch_metrics_table(struct dispatch_metrics *metrics, const struct table *table, uint64_t now_ms);
void dispatch_metrics_table_failed(struct dispatch_metrics *metrics, uint64_t now_ms);

/* What is open now, at all dispatchers. */
uint64_t dispatch_metrics_connections(const struct dispatch_metrics *metrics);
uint64_t dispatch_metrics_tunnels(const struct dispatch_metrics *metrics);

/* Appends the whole text, of at most LIMIT_METRICS bytes, to an empty buffer. 0, -ENOBUFS or -ENOMEM. */
int dispatch_metrics_write(const struct dispatch_metrics *metrics, const struct people *people, struct buf *to);
