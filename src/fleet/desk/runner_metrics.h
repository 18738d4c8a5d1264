/*
 * What the runner counts, and how it is told: families of the Prometheus text format, behind the broker's. Pure. No label
 * is from outside. Used by the desk.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "fleet/task/outcome.h"

/* Roles that are started again when they die. */
enum runner_role { RUNNER_LINK, RUNNER_RESOLVER, RUNNER_ROLES };

/* Counters go up for as long as the runner lives; gauges are set by whoever knows. */
struct runner_metrics {
    uint64_t outcomes[TASK_OUTCOMES];
    uint64_t refused;    /* never begun: busy, stopping, faulty */
    uint64_t unanswered; /* refused without a result, for want of room for one */
    uint64_t duplicates; /* asked for once more */
    uint64_t running, queued;
    uint64_t task_ms, printed; /* of all that have ended */
    uint64_t connects;         /* of the link */
    uint64_t is_up;
    uint64_t settled;
    uint64_t spool_results, spool_bytes, spool_damaged;
    uint64_t outputs_dropped; /* pieces of output that nobody was there for */
    uint64_t restarts[RUNNER_ROLES];
};

/* Appends them. 0, -ENOBUFS or -ENOMEM. */
int runner_metrics_write(const struct runner_metrics *metrics, struct buf *to);
