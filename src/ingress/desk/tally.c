#include "ingress/desk/tally.h"

#include <assert.h>
#include <errno.h>

#include "base/macros.h"

static_assert(1 + SEEN_AT_ONCE * (4 + LIMIT_PERSON + 3 * sizeof(uint64_t) + 4) <= LIMIT_DATAGRAM,
              "that many people fit into a message");

const uint32_t tally_bounds[TALLY_BUCKETS] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000};

/* Every counter, in the order in which they travel. */
#define COUNTERS(member)                                                                                               \
    { offsetof(struct tally, member), sizeof(((struct tally *)NULL)->member) / sizeof(uint64_t) }
static const struct {
    size_t at, n;
} counters[] = {COUNTERS(requests),       COUNTERS(durations),   COUNTERS(duration_us),     COUNTERS(bytes_in),
                COUNTERS(bytes_out),      COUNTERS(connections), COUNTERS(tunnels_opened),  COUNTERS(tunnels_ended),
                COUNTERS(refused),        COUNTERS(limited),     COUNTERS(upstream_reused), COUNTERS(upstream_opened),
                COUNTERS(upstream_failed)};

/* The next counter; `*at` goes from 0 on. NULL behind the last. */
struct cursor {
    size_t group, i;
};

static uint64_t *next_counter(struct tally *tally, struct cursor *at) {
    if (at->group < ARRAY_LEN(counters) && at->i == counters[at->group].n)
        *at = (struct cursor){.group = at->group + 1};
    if (at->group == ARRAY_LEN(counters))
        return NULL;
    return (uint64_t *)(void *)((char *)tally + counters[at->group].at) + at->i++;
}

void tally_request(struct tally *tally, unsigned status, uint64_t duration_us) {
    unsigned class = status / 100;
    size_t i = 0;

    while (i < TALLY_BUCKETS && duration_us > tally_bounds[i] * UINT64_C(1000))
        i++;
    if (i < TALLY_BUCKETS)
        tally->durations[i]++;
    tally->duration_us += duration_us;
    tally->requests[class < TALLY_STATUSES ? class : 0]++;
}

bool tally_is_empty(const struct tally *tally) {
    struct tally copy = *tally;
    struct cursor at = {0};
    const uint64_t *value;

    while ((value = next_counter(&copy, &at)))
        if (*value != 0)
            return false;
    return true;
}

void tally_add(struct tally *tally, const struct tally *more) {
    struct tally copy = *more;
    struct cursor to = {0}, from = {0};
    uint64_t *value;

    while ((value = next_counter(tally, &to)))
        *value += *next_counter(&copy, &from);
}

/* A gauge travels as what it is: never below zero. */
static void put_gauge(struct ipc_writer *w, int64_t value) {
    ipc_put_u64(w, (uint64_t)MAX_OF(value, (int64_t)0));
}

static int64_t get_gauge(struct ipc_message *m) {
    uint64_t value = ipc_get_u64(m);

    if (value > INT64_MAX)
        ipc_fail(m);
    return (int64_t)value;
}

struct ipc_writer tally_encode(const struct tally *tally) {
    struct ipc_writer w = ipc_begin(IPC_TALLY);
    struct tally copy = *tally;
    struct cursor at = {0};
    const uint64_t *value;

    while ((value = next_counter(&copy, &at)))
        ipc_put_u64(&w, *value);
    put_gauge(&w, tally->open_connections);
    put_gauge(&w, tally->open_tunnels);
    return w;
}

int tally_decode(struct ipc_message *m, struct tally *ret) {
    struct tally tally = {0};
    struct cursor at = {0};
    uint64_t *value;
    int r;

    while ((value = next_counter(&tally, &at)))
        *value = ipc_get_u64(m);
    tally.open_connections = get_gauge(m);
    tally.open_tunnels = get_gauge(m);
    r = ipc_end(m);
    if (r == 0)
        *ret = tally;
    return r;
}

struct ipc_writer seen_begin(void) {
    return ipc_begin(IPC_SEEN);
}

void seen_put(struct ipc_writer *w, const struct seen *seen) {
    ipc_put_bytes(w, seen->name);
    ipc_put_u64(w, seen->requests);
    ipc_put_u64(w, seen->bytes_in);
    ipc_put_u64(w, seen->bytes_out);
    ipc_put_u32(w, seen->tunnels);
}

int seen_get(struct ipc_message *m, struct seen *ret) {
    struct seen seen;

    seen.name = ipc_get_bytes(m, LIMIT_PERSON);
    seen.requests = ipc_get_u64(m);
    seen.bytes_in = ipc_get_u64(m);
    seen.bytes_out = ipc_get_u64(m);
    seen.tunnels = ipc_get_u32(m);
    if (m->is_failed || seen.name.n == 0)
        return -EPROTO;
    *ret = seen;
    return 0;
}
