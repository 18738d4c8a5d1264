#include "ingress/desk/dispatch_metrics.h"

#include <inttypes.h>

#include "base/text.h"

void dispatch_metrics_tally(struct dispatch_metrics *metrics, unsigned dispatcher, const struct tally *tally) {
    tally_add(&metrics->total, tally);
    if (dispatcher >= LIMIT_WORKERS)
        return;
    metrics->open_connections[dispatcher] = (uint64_t)tally->open_connections;
    metrics->open_tunnels[dispatcher] = (uint64_t)tally->open_tunnels;
}

void dispatch_metrics_ended(struct dispatch_metrics *metrics, unsigned dispatcher) {
    if (dispatcher >= LIMIT_WORKERS)
        return;
    metrics->open_connections[dispatcher] = 0;
    metrics->open_tunnels[dispatcher] = 0;
}

void dispatch_metrics_paired(struct dispatch_metrics *metrics, enum pairing_fault fault, bool by_fallback) {
    metrics->pairings[fault]++;
    metrics->pairings_by_fallback += fault == PAIRING_WORKED && by_fallback;
}

void dispatch_metrics_restarted(struct dispatch_metrics *metrics, unsigned role) {
    metrics->restarts[role]++;
}

void dispatch_metrics_table(struct dispatch_metrics *metrics, const struct table *table, uint64_t now_ms) {
    metrics->table_number = table_number(table);
    metrics->table_names = table_names(table);
    metrics->table_instances = table_count(table);
    metrics->table_loaded_ms = now_ms;
}

void dispatch_metrics_table_failed(struct dispatch_metrics *metrics, uint64_t now_ms) {
    metrics->table_failures++;
    metrics->table_failed_ms = now_ms;
}

static uint64_t sum(const uint64_t *values, size_t n) {
    uint64_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += values[i];
    return total;
}

uint64_t dispatch_metrics_connections(const struct dispatch_metrics *metrics) {
    return sum(metrics->open_connections, LIMIT_WORKERS);
}

uint64_t dispatch_metrics_tunnels(const struct dispatch_metrics *metrics) {
    return sum(metrics->open_tunnels, LIMIT_WORKERS);
}

/* What is written of, and the name of the family that is being written. */
struct source {
    const struct dispatch_metrics *metrics;
    const struct people *people;
    const char *name;
};

static void add_value(struct text *text, const struct source *s, uint64_t value) {
    text_add(text, "%s %" PRIu64 "\n", s->name, value);
}

/* Every word is ours: nothing in a label needs an escape. */
static void add_labelled(struct text *text, const struct source *s, const char *label, const char *const *words,
                         const uint64_t *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        text_add(text, "%s{%s=\"%s\"} %" PRIu64 "\n", s->name, label, words[i], values[i]);
}

typedef void write_family(struct text *text, const struct source *s);

static void write_requests(struct text *text, const struct source *s) {
    static const char *const words[TALLY_STATUSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

    add_labelled(text, s, "status", words, s->metrics->total.requests, TALLY_STATUSES);
}

/* Buckets are told cumulatively: each counts what all before it count, too. The slowest are in none but the last. */
static void write_durations(struct text *text, const struct source *s) {
    static const char *const bounds[TALLY_BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
                                                      "1",     "2.5",  "5",     "10",   "30",  "60"};
    const struct tally *total = &s->metrics->total;
    uint64_t all = sum(total->requests, TALLY_STATUSES), n = 0;

    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        n += total->durations[i];
        text_add(text, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", s->name, bounds[i], n);
    }
    text_add(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", s->name, all);
    text_add(text, "%s_sum %" PRIu64 ".%06u\n", s->name, total->duration_us / 1000000,
             (unsigned)(total->duration_us % 1000000));
    text_add(text, "%s_count %" PRIu64 "\n", s->name, all);
}

static void write_bytes_in(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->total.bytes_in);
}

static void write_bytes_out(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->total.bytes_out);
}

static void write_connections(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->total.connections);
}

static void write_open_connections(struct text *text, const struct source *s) {
    add_value(text, s, dispatch_metrics_connections(s->metrics));
}

static void write_tunnels(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->total.tunnels_opened);
}

static void write_tunnels_ended(struct text *text, const struct source *s) {
    static const char *const words[TUNNEL_ENDS] = {
        [TUNNEL_CLIENT] = "client",   [TUNNEL_INSTANCE] = "instance", [TUNNEL_RESET] = "reset",
        [TUNNEL_TIMEOUT] = "timeout", [TUNNEL_DRAIN] = "drain",       [TUNNEL_REMOVED] = "removed"};

    add_labelled(text, s, "cause", words, s->metrics->total.tunnels_ended, TUNNEL_ENDS);
}

static void write_open_tunnels(struct text *text, const struct source *s) {
    add_value(text, s, dispatch_metrics_tunnels(s->metrics));
}

static void write_refused(struct text *text, const struct source *s) {
    static const char *const words[TALLY_REFUSALS] = {
        [TALLY_STRANGER] = "stranger", [TALLY_BADLY_NAMED] = "badly_named", [TALLY_NOBODY] = "nobody"};

    add_labelled(text, s, "reason", words, s->metrics->total.refused, TALLY_REFUSALS);
}

static void write_upstreams(struct text *text, const struct source *s) {
    static const char *const words[] = {"reused", "new", "failed"};
    const struct tally *total = &s->metrics->total;
    const uint64_t values[] = {total->upstream_reused, total->upstream_opened, total->upstream_failed};

    add_labelled(text, s, "connection", words, values, ARRAY_LEN(words));
}

static void write_pairings(struct text *text, const struct source *s) {
    static const char *const words[PAIRING_FAULTS] = {[PAIRING_WORKED] = "ok",
                                                      [PAIRING_MINT_FAILED] = "mint_failed",
                                                      [PAIRING_UNPARSEABLE] = "unparseable",
                                                      [PAIRING_UNREACHABLE] = "unreachable",
                                                      [PAIRING_REJECTED] = "rejected"};

    add_labelled(text, s, "result", words, s->metrics->pairings, PAIRING_FAULTS);
}

static void write_fallbacks(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->pairings_by_fallback);
}

static void write_limited(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->total.limited);
}

/* Those of which nothing was told yet are unknown, too. */
static void write_instances(struct text *text, const struct source *s) {
    static const char *const words[HEALTHS] = {
        [HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down"};
    size_t known[HEALTHS] = {0};
    uint64_t values[HEALTHS];

    people_count_health(s->people, known);
    values[HEALTH_UP] = known[HEALTH_UP];
    values[HEALTH_DOWN] = known[HEALTH_DOWN];
    values[HEALTH_UNKNOWN] = MAX_OF(s->metrics->table_instances, known[HEALTH_UP] + known[HEALTH_DOWN]) -
                             known[HEALTH_UP] - known[HEALTH_DOWN];
    add_labelled(text, s, "health", words, values, HEALTHS);
}

static void write_names(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->table_names);
}

static void write_number(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->table_number);
}

static void add_time(struct text *text, const struct source *s, uint64_t unix_ms) {
    text_add(text, "%s %" PRIu64 ".%03u\n", s->name, unix_ms / 1000, (unsigned)(unix_ms % 1000));
}

static void write_loaded(struct text *text, const struct source *s) {
    add_time(text, s, s->metrics->table_loaded_ms);
}

static void write_failures(struct text *text, const struct source *s) {
    add_value(text, s, s->metrics->table_failures);
}

static void write_failed(struct text *text, const struct source *s) {
    add_time(text, s, s->metrics->table_failed_ms);
}

static void write_restarts(struct text *text, const struct source *s) {
    static const char *const words[DISPATCH_ROLES] = {
        [PEER_DISPATCHER] = "dispatcher", [PEER_PAIRER] = "pairer",    [PEER_STEWARD] = "steward",
        [PEER_VERIFIER] = "verifier",     [PEER_DOORMAN] = "doorman",  [PEER_RESOLVER] = "resolver",
        [DISPATCH_EXPORTER] = "exporter", [DISPATCH_SOURCE] = "source"};

    add_labelled(text, s, "role", words, s->metrics->restarts, DISPATCH_ROLES);
}

static const struct family {
    const char *name, *type, *help;
    write_family *write;
} families[] = {
    {"credfd_dispatch_requests_total", "counter", "Requests, by the class of the status that was answered.",
     write_requests},
    {"credfd_dispatch_request_duration_seconds", "histogram", "Time from a request to the end of its response.",
     write_durations},
    {"credfd_dispatch_request_bytes_total", "counter", "Bytes that came from browsers, tunnels included.",
     write_bytes_in},
    {"credfd_dispatch_response_bytes_total", "counter", "Bytes that went to browsers, tunnels included.",
     write_bytes_out},
    {"credfd_dispatch_connections_total", "counter", "Connections that were accepted.", write_connections},
    {"credfd_dispatch_open_connections", "gauge", "Connections that are open.", write_open_connections},
    {"credfd_dispatch_tunnels_total", "counter", "WebSockets that were opened.", write_tunnels},
    {"credfd_dispatch_tunnels_ended_total", "counter", "WebSockets that have ended, by who or what ended them.",
     write_tunnels_ended},
    {"credfd_dispatch_open_tunnels", "gauge", "WebSockets that are open.", write_open_tunnels},
    {"credfd_dispatch_refused_total", "counter", "Requests that were refused for who sent them, or whom they named.",
     write_refused},
    {"credfd_dispatch_upstream_connections_total", "counter",
     "People's requests to instances: on a warm connection, on a new one, and connections that could not be made.",
     write_upstreams},
    {"credfd_dispatch_pairings_total", "counter", "Pairings, by how they went.", write_pairings},
    {"credfd_dispatch_pairings_by_fallback_total", "counter",
     "Pairings that worked at another endpoint than their recipe's first.", write_fallbacks},
    {"credfd_dispatch_pairings_limited_total", "counter", "People who were told that there were too many pairings.",
     write_limited},
    {"credfd_dispatch_instances", "gauge", "Instances of the table, by their health when it was last asked.",
     write_instances},
    {"credfd_dispatch_table_names", "gauge", "Names in the table.", write_names},
    {"credfd_dispatch_table_number", "gauge", "Which table it is, counted since the start.", write_number},
    {"credfd_dispatch_table_loaded_timestamp_seconds", "gauge", "When the table was taken over, since 1970.",
     write_loaded},
    {"credfd_dispatch_table_failures_total", "counter", "Times that the table's file was not in order.",
     write_failures},
    {"credfd_dispatch_table_failed_timestamp_seconds", "gauge", "When that was last, since 1970; 0: never.",
     write_failed},
    {"credfd_role_restarts_total", "counter", "Processes of credfd that died and were started again.", write_restarts},
};

int dispatch_metrics_write(const struct dispatch_metrics *metrics, const struct people *people, struct buf *to) {
    struct source source = {.metrics = metrics, .people = people};
    struct text text = {.to = to};

    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        source.name = families[i].name;
        text_add(&text, "# HELP %s %s\n", families[i].name, families[i].help);
        text_add(&text, "# TYPE %s %s\n", families[i].name, families[i].type);
        families[i].write(&text, &source);
    }
    return text.error;
}
