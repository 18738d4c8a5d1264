#include "egress/desk/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

/* Upper bounds, inclusive. */
static const struct {
    uint64_t ms;
    const char *seconds;
} buckets[METRICS_BUCKETS] = {
    {5, "0.005"}, {10, "0.01"},  {25, "0.025"}, {50, "0.05"},  {100, "0.1"},  {250, "0.25"}, {500, "0.5"},
    {1000, "1"},  {2500, "2.5"}, {5000, "5"},   {10000, "10"}, {30000, "30"}, {60000, "60"},
};

static uint32_t find_label(const struct metrics *metrics, const char *name) {
    uint32_t label = 0;

    while (label < metrics->n_leases && strcmp(metrics->leases[label].name, name) != 0)
        label++;
    return label;
}

uint32_t metrics_label(struct metrics *metrics, const char *name) {
    uint32_t label = find_label(metrics, name);

    if (label == metrics->n_leases && label >= LIMIT_LABELLED - 1) {
        name = METRICS_OTHERS;
        label = find_label(metrics, name);
    }
    if (label == metrics->n_leases)
        (void)snprintf(metrics->leases[metrics->n_leases++].name, LIMIT_NAME + 1, "%s", name);
    return label;
}

void metrics_lease_granted(struct metrics *metrics, uint32_t label) {
    metrics->leases[label].living++;
}

void metrics_lease_ended(struct metrics *metrics, uint32_t label) {
    metrics->leases[label].living--;
}

static void count_duration(struct metrics_lease *l, uint64_t ms) {
    size_t i = 0;

    while (i < METRICS_BUCKETS && ms > buckets[i].ms)
        i++;
    *(i < METRICS_BUCKETS ? &l->durations[i] : &l->slower) += 1;
    l->duration_ms += ms;
}

void metrics_exchange(struct metrics *metrics, uint32_t label, const struct exchange_record *record) {
    struct metrics_lease *l = &metrics->leases[label];
    unsigned class = record->status / 100;

    l->statuses[class < METRICS_STATUSES ? class : 0]++;
    l->refusals[record->refusal]++;
    l->connections[record->connection]++;
    l->bytes_in += record->bytes_in;
    l->bytes_out += record->bytes_out;
    l->masked += record->masked;
    if (record->connection != CONNECTION_NONE)
        count_duration(l, record->duration_ms);
}

void metrics_way(struct metrics *metrics, const struct exchange_record *record) {
    metrics->ways[record->refusal]++;
    metrics->way_bytes_in += record->bytes_in;
    metrics->way_bytes_out += record->bytes_out;
}

void metrics_refreshed(struct metrics *metrics, uint32_t label, bool is_ok) {
    if (is_ok)
        metrics->leases[label].refreshed++;
    else
        metrics->leases[label].not_refreshed++;
}

void metrics_restarted(struct metrics *metrics, enum metrics_role role) {
    metrics->restarts[role]++;
}

static void add_help(struct text *text, const char *name, const char *type, const char *help) {
    text_add(text, "# HELP %s %s\n", name, help);
    text_add(text, "# TYPE %s %s\n", name, type);
}

/* A name of a credential is of [A-Za-z0-9._-], and so is every word of ours: nothing in a label needs an escape. */
static void add_value(struct text *text, const char *name, const struct metrics_lease *l, const char *label,
                      const char *word, uint64_t value) {
    if (label)
        text_add(text, "%s{lease=\"%s\",%s=\"%s\"} %" PRIu64 "\n", name, l->name, label, word, value);
    else
        text_add(text, "%s{lease=\"%s\"} %" PRIu64 "\n", name, l->name, value);
}

typedef void write_lease(struct text *text, const char *name, const struct metrics_lease *l);

static void write_living(struct text *text, const char *name, const struct metrics_lease *l) {
    add_value(text, name, l, NULL, NULL, l->living);
}

static void write_requests(struct text *text, const char *name, const struct metrics_lease *l) {
    static const char *const words[METRICS_STATUSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

    for (size_t i = 0; i < METRICS_STATUSES; i++)
        add_value(text, name, l, "status", words[i], l->statuses[i]);
}

static void write_refusals(struct text *text, const char *name, const struct metrics_lease *l) {
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSALS; i++)
        add_value(text, name, l, "reason", refusal_text(i)->name, l->refusals[i]);
}

static void write_bytes_in(struct text *text, const char *name, const struct metrics_lease *l) {
    add_value(text, name, l, NULL, NULL, l->bytes_in);
}

static void write_bytes_out(struct text *text, const char *name, const struct metrics_lease *l) {
    add_value(text, name, l, NULL, NULL, l->bytes_out);
}

/* Buckets are told cumulatively: each counts what all before it count, too. */
static void write_durations(struct text *text, const char *name, const struct metrics_lease *l) {
    uint64_t n = 0;

    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        n += l->durations[i];
        text_add(text, "%s_bucket{lease=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, l->name, buckets[i].seconds, n);
    }
    n += l->slower;
    text_add(text, "%s_bucket{lease=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, l->name, n);
    text_add(text, "%s_sum{lease=\"%s\"} %" PRIu64 ".%03u\n", name, l->name, l->duration_ms / 1000,
             (unsigned)(l->duration_ms % 1000));
    text_add(text, "%s_count{lease=\"%s\"} %" PRIu64 "\n", name, l->name, n);
}

static void write_connections(struct text *text, const char *name, const struct metrics_lease *l) {
    static const char *const words[CONNECTION_USES] = {
        [CONNECTION_REUSED] = "reused", [CONNECTION_NEW] = "new", [CONNECTION_RESUMED] = "resumed"};

    for (unsigned i = CONNECTION_NONE + 1; i < CONNECTION_USES; i++)
        add_value(text, name, l, "connection", words[i], l->connections[i]);
}

static void write_masked(struct text *text, const char *name, const struct metrics_lease *l) {
    add_value(text, name, l, NULL, NULL, l->masked);
}

static void write_refreshes(struct text *text, const char *name, const struct metrics_lease *l) {
    add_value(text, name, l, "result", "ok", l->refreshed);
    add_value(text, name, l, "result", "failed", l->not_refreshed);
}

static const struct family {
    const char *name, *type, *help;
    write_lease *write;
} families[] = {
    {"credfd_leases", "gauge", "Leases that live.", write_living},
    {"credfd_requests_total", "counter", "Requests, by the class of the status that was answered.", write_requests},
    {"credfd_refusals_total", "counter", "Requests that failed on this side of the upstream, or at it.",
     write_refusals},
    {"credfd_request_bytes_total", "counter", "Bytes of the requests' content.", write_bytes_in},
    {"credfd_response_bytes_total", "counter", "Bytes of the responses' content.", write_bytes_out},
    {"credfd_request_duration_seconds", "histogram",
     "Time from a request to the end of its response, of those that had a connection to the upstream.",
     write_durations},
    {"credfd_upstream_connections_total", "counter",
     "Requests that went upstream: on a warm connection, a new one (with TLS a full handshake), or a resumed session.",
     write_connections},
    {"credfd_masked_total", "counter", "Places in responses where the secret was overwritten.", write_masked},
    {"credfd_source_refreshes_total", "counter", "Secrets that were had again, and attempts that failed.",
     write_refreshes},
};

static void write_restarts(struct text *text, const struct metrics *metrics) {
    static const char *const words[METRICS_ROLES] = {[METRICS_KEEPER] = "keeper",
                                                     [METRICS_RESOLVER] = "resolver",
                                                     [METRICS_EXPORTER] = "exporter",
                                                     [METRICS_GATE] = "gate"};

    add_help(text, "credfd_role_restarts_total", "counter", "Processes of credfd that died and were started again.");
    for (size_t i = 0; i < METRICS_ROLES; i++)
        text_add(text, "credfd_role_restarts_total{role=\"%s\"} %" PRIu64 "\n", words[i], metrics->restarts[i]);
}

static void write_ways(struct text *text, const struct metrics *metrics) {
    add_help(
        text, "credfd_ways_total", "counter",
        "Connections and requests to hosts without a credential, by why they failed; none: they were let through.");
    for (unsigned i = 0; i < REFUSALS; i++)
        text_add(text, "credfd_ways_total{reason=\"%s\"} %" PRIu64 "\n", i == 0 ? "none" : refusal_text(i)->name,
                 metrics->ways[i]);
    add_help(text, "credfd_way_bytes_total", "counter",
             "Bytes that went to hosts without a credential, and came back.");
    text_add(text, "credfd_way_bytes_total{direction=\"in\"} %" PRIu64 "\n", metrics->way_bytes_in);
    text_add(text, "credfd_way_bytes_total{direction=\"out\"} %" PRIu64 "\n", metrics->way_bytes_out);
}

int metrics_write(const struct metrics *metrics, struct buf *to) {
    struct text text = {.to = to};

    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        add_help(&text, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < metrics->n_leases; i++)
            families[f].write(&text, families[f].name, &metrics->leases[i]);
    }
    write_restarts(&text, metrics);
    write_ways(&text, metrics);
    return text.error;
}
