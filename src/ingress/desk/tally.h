/*
 * What dispatchers count and tell the supervisor from time to time: IPC_TALLY, the process's totals since its last
 * tally, and IPC_SEEN, people's. Counters, never anything that a stranger has written but the name of a person that
 * is in the table. The doorman tells whom it has refused in the same way.
 */
#pragma once

#include "base/limits.h"
#include "ipc/message.h"

#define TALLY_STATUSES 6 /* none told, and 1xx to 5xx */
#define TALLY_BUCKETS 13

/* How tunnels ended. */
enum tunnel_end {
    TUNNEL_CLIENT,   /* the browser closed first */
    TUNNEL_INSTANCE, /* the instance did */
    TUNNEL_RESET,
    TUNNEL_TIMEOUT,
    TUNNEL_DRAIN,
    TUNNEL_REMOVED, /* the person's entry is gone */
    TUNNEL_ENDS
};

/* Requests that nobody was asked for. */
enum tally_refusal { TALLY_STRANGER, TALLY_BADLY_NAMED, TALLY_NOBODY, TALLY_REFUSALS };

struct tally {
    uint64_t requests[TALLY_STATUSES];
    uint64_t durations[TALLY_BUCKETS], duration_us; /* each in the first bucket that has room, or in none */
    uint64_t bytes_in, bytes_out;
    uint64_t connections; /* accepted */
    uint64_t tunnels_opened, tunnels_ended[TUNNEL_ENDS];
    uint64_t refused[TALLY_REFUSALS];
    uint64_t limited;                          /* people who were told that there were too many mints */
    uint64_t upstream_reused, upstream_opened; /* people's requests, by the connection that they went on */
    uint64_t upstream_failed;                  /* connections that could not be made */
    int64_t open_connections, open_tunnels;    /* now, not since the last */
};

struct seen {
    struct slice name;
    uint64_t requests, bytes_in, bytes_out; /* since the last */
    uint32_t tunnels;                       /* open now */
};

struct ipc_writer tally_encode(const struct tally *tally);
int tally_decode(struct ipc_message *m, struct tally *ret); /* 0 or -EPROTO */

/* A message tells of so many people at most, one behind the other. */
#define SEEN_AT_ONCE 256

struct ipc_writer seen_begin(void);
void seen_put(struct ipc_writer *w, const struct seen *seen);

/* The next one: there is one at least, and more for as long as there are bytes. 0 or -EPROTO. ipc_end ends it. */
int seen_get(struct ipc_message *m, struct seen *ret);

/* Upper bounds of the buckets, inclusive, in ms. */
extern const uint32_t tally_bounds[TALLY_BUCKETS];

/* A request is over: `status` is 0 when none was told. */
void tally_request(struct tally *tally, unsigned status, uint64_t duration_us);

/* Whether there is anything in it to tell, but the gauges. */
bool tally_is_empty(const struct tally *tally);

/* What `more` has counted is added; the gauges are not. */
void tally_add(struct tally *tally, const struct tally *more);
