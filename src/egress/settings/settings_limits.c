#include "egress/settings/settings_limits.h"

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_common.h"
#include "config/value.h"
#include "egress/settings/settings.h"

int settings_read_timeouts(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"head", settings_read_timeout, offsetof(struct timeouts, head)},
        {"idle", settings_read_timeout, offsetof(struct timeouts, idle)},
        {"body", settings_read_timeout, offsetof(struct timeouts, body)},
        {"write", settings_read_timeout, offsetof(struct timeouts, write)},
        {"stream", settings_read_timeout, offsetof(struct timeouts, stream)},
        {"connect", settings_read_timeout, offsetof(struct timeouts, connect)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_requests(const struct node *node, void *field) {
    return value_count(node, LIMIT_LEASE_REQUESTS, field);
}

static int read_rate(const struct node *node, void *field) {
    struct limits *limits = field;

    return value_rate(node, LIMIT_LEASE_RATE, &limits->rate_count, &limits->rate_ms);
}

static int read_bytes(const struct node *node, void *field) {
    return value_size(node, 1, LIMIT_LEASE_BYTES, field);
}

static int read_concurrent(const struct node *node, void *field) {
    return value_count(node, LIMIT_STREAMS, field);
}

static int read_ttl(const struct node *node, void *field) {
    return value_duration(node, LIMIT_LEASE_TTL, field);
}

int settings_read_limits(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"requests", read_requests, offsetof(struct limits, requests)},
        {"rate", read_rate},
        {"bytes", read_bytes, offsetof(struct limits, bytes)},
        {"concurrent", read_concurrent, offsetof(struct limits, concurrent)},
        {"ttl", read_ttl, offsetof(struct limits, ttl_ms)},
        {"max_body", read_bytes, offsetof(struct limits, max_body)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

int settings_read_mask(const struct node *node, void *field) {
    static const char *const words[] = {"on", "off"};
    bool *is_off = field;
    size_t at;
    int r = value_word(node, words, ARRAY_LEN(words), &at);

    if (r == 0)
        *is_off = at == 1;
    return r;
}

int settings_read_pass(const struct node *node, void *field) {
    bool *passes_cookies = field;
    size_t n;
    int r = value_list(node, 0, 1, &n);

    if (r < 0 || n == 0)
        return r;
    if (!slice_equals_nocase(node_scalar(node_first(node)), SLICE("set-cookie")))
        return node_fail(node, "only set-cookie is kept back and can be passed; write [ set-cookie ]");
    *passes_cookies = true;
    return 0;
}
