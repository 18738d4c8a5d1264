/*
 * The page for administrators: people, instances, what is up and what is down, tunnels, last seen, pairing failures.
 * One HTML document, made by the supervisor when a dispatcher asks (IPC_STATUS_ASK), whole without a script: it asks
 * for itself again, and reads on a telephone. Those with trouble stand first. Pure: numbers and names in, text out;
 * every text is escaped, whoever wrote it.
 */
#pragma once

#include "base/buf.h"
#include "ingress/desk/dispatch_metrics.h"
#include "ingress/desk/people.h"

/* With this Content-Security-Policy the page is sent: it has one style sheet, its own, and nothing else. */
#define STATUS_POLICY                                                                                                  \
    "default-src 'none'; style-src 'sha256-" STATUS_STYLE_SHA256 "'; base-uri 'none'; form-action 'none'; "            \
    "frame-ancestors 'none'"
#define STATUS_STYLE_SHA256 "9KeS0ahV/6THX79r3LIpREQu7lo+b88xkCNAuODigc8="

struct status {
    const struct people *people;
    const struct dispatch_metrics *metrics;
    const struct table *table; /* NULL: there is none yet */
    const char *host;          /* this machine's name, for the title; NULL: none */
    uint64_t now_ms;           /* since 1970 */
    uint64_t started_ms;       /* likewise */
};

/* Appends the whole page, at most LIMIT_STATUS bytes. 0, -ENOBUFS or -ENOMEM. */
int status_write(const struct status *status, struct buf *to);
