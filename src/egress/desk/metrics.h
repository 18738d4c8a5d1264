/*
 * What the supervisor counts, and how it is told: the Prometheus text format 0.0.4. Pure: numbers in, text out.
 * Counters only go up for as long as the supervisor lives, whatever its roles do. The only labels are the names of
 * credentials, which the configuration has checked, and words of our own: nothing from outside is ever one.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/limits.h"
#include "egress/audit/audit_codec.h"

/* The roles that are started again when they die. */
enum metrics_role { METRICS_KEEPER, METRICS_RESOLVER, METRICS_EXPORTER, METRICS_GATE, METRICS_ROLES };

#define METRICS_STATUSES 6 /* none told, and 1xx to 5xx */
#define METRICS_BUCKETS 13

/* Of all leases of one name. */
struct metrics_lease {
    char name[LIMIT_NAME + 1];
    uint64_t living;
    uint64_t statuses[METRICS_STATUSES];
    uint64_t refusals[REFUSALS];
    uint64_t bytes_in, bytes_out;
    uint64_t masked;
    uint64_t connections[CONNECTION_USES];
    uint64_t durations[METRICS_BUCKETS],
        duration_ms; /* of what went upstream; each in the first bucket that has room */
    uint64_t slower; /* than every bucket */
    uint64_t refreshed, not_refreshed;
};

struct metrics {
    struct metrics_lease leases[LIMIT_LABELLED]; /* by their labels */
    uint32_t n_leases;
    uint64_t restarts[METRICS_ROLES];
    uint64_t ways[REFUSALS]; /* to hosts without a credential; REFUSAL_NONE: it was let through */
    uint64_t way_bytes_in, way_bytes_out;
};

/*
 * The label under which leases of that name are counted, of at most LIMIT_NAME bytes: always the same one, for as long
 * as this process lives. Names that come after too many others have one together: METRICS_OTHERS.
 */
uint32_t metrics_label(struct metrics *metrics, const char *name);
#define METRICS_OTHERS "others"

/* A lease of that label begins or ends. */
void metrics_lease_granted(struct metrics *metrics, uint32_t label);
void metrics_lease_ended(struct metrics *metrics, uint32_t label);

void metrics_exchange(struct metrics *metrics, uint32_t label, const struct exchange_record *record);

/* A way to a host without a credential, or an exchange on it, is over, or was refused. */
void metrics_way(struct metrics *metrics, const struct exchange_record *record);

/* Its secret was had again, or could not be. The first time, at the start, does not count. */
void metrics_refreshed(struct metrics *metrics, uint32_t label, bool is_ok);

void metrics_restarted(struct metrics *metrics, enum metrics_role role);

/* Appends the whole text, of at most LIMIT_METRICS bytes, to an empty buffer. 0, -ENOBUFS or -ENOMEM. */
int metrics_write(const struct metrics *metrics, struct buf *to);
