#include "egress/credential_codec.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "egress/credential.h"

enum credential_flag {
    ALLOWS_ALL = 1,
    ALLOWS_PRIVATE = 2,
    IS_MASK_OFF = 4,
    PASSES_COOKIES = 8,
    ALLOWS_WEBSOCKET = 16,
    ALL_FLAGS = 31
};

/* Of an injection, what its kind has: in this order, on both sides. */
static bool has_name(enum inject_kind kind) {
    return kind != INJECT_PATH;
}

static bool has_format(enum inject_kind kind) {
    return kind == INJECT_HEADER || kind == INJECT_PATH;
}

static void put_injections(struct ipc_writer *w, const struct credential *credential) {
    ipc_put_u8(w, (uint8_t)credential->n_inject);
    for (size_t i = 0; i < credential->n_inject; i++) {
        const struct inject *inject = &credential->inject[i];

        ipc_put_u8(w, (uint8_t)inject->kind);
        if (has_name(inject->kind))
            ipc_put_bytes(w, slice_of_string(inject->name));
        if (has_format(inject->kind))
            ipc_put_bytes(w, slice_of_string(inject->format));
    }
}

static void put_rules(struct ipc_writer *w, const struct rule *rules, size_t n) {
    ipc_put_u32(w, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        ipc_put_bytes(w, slice_of_string(rules[i].method));
        ipc_put_bytes(w, slice_of_string(rules[i].path));
        ipc_put_u32(w, (uint32_t)rules[i].line);
    }
}

static void put_limits(struct ipc_writer *w, const struct limits *limits) {
    ipc_put_u64(w, limits->requests);
    ipc_put_u64(w, limits->bytes);
    ipc_put_u64(w, limits->rate_count);
    ipc_put_u64(w, limits->rate_ms);
    ipc_put_u64(w, limits->concurrent);
    ipc_put_u64(w, limits->ttl_ms);
    ipc_put_u64(w, limits->max_body);
}

struct ipc_writer credential_encode(uint32_t id, const struct credential *credential) {
    struct ipc_writer w = ipc_begin(IPC_CREDENTIAL);
    unsigned flags = (credential->allows_all ? ALLOWS_ALL : 0U) | (credential->allows_private ? ALLOWS_PRIVATE : 0U) |
                     (credential->is_mask_off ? IS_MASK_OFF : 0U) | (credential->passes_cookies ? PASSES_COOKIES : 0U) |
                     (credential->allows_websocket ? ALLOWS_WEBSOCKET : 0U);

    ipc_put_u32(&w, id);
    ipc_put_bytes(&w, slice_of_string(credential->name));
    ipc_put_bytes(&w, slice_of_string(credential->upstream));
    put_injections(&w, credential);
    ipc_put_u8(&w, (uint8_t)flags);
    ipc_put_u64(&w, credential->response_timeout_ms);
    put_limits(&w, &credential->limits);
    put_rules(&w, credential->allow, credential->n_allow);
    put_rules(&w, credential->deny, credential->n_deny);
    return w;
}

static char *get_string(struct ipc_message *m, size_t max) {
    struct slice bytes = ipc_get_bytes(m, max);
    char *string = slice_has(bytes, '\0') ? NULL : strndup(bytes.p, bytes.n);

    if (!string)
        ipc_fail(m);
    return string;
}

/* Room for a list of `n`. NULL for none; NULL too, and the message has failed, for more than `max`. */
static void *get_list(struct ipc_message *m, size_t n, size_t max, size_t size) {
    void *list = n > 0 && n <= max ? calloc(n, size) : NULL;

    if (n > 0 && !list)
        ipc_fail(m);
    return list;
}

static void get_injections(struct ipc_message *m, struct credential *credential) {
    size_t n = ipc_get_u8(m);

    credential->inject = get_list(m, n, LIMIT_INJECTIONS, sizeof(*credential->inject));
    if (!credential->inject)
        return;
    credential->n_inject = n;
    for (size_t i = 0; i < n; i++) {
        struct inject *inject = &credential->inject[i];
        uint8_t kind = ipc_get_u8(m);

        if (kind > INJECT_PATH) {
            ipc_fail(m);
            return;
        }
        inject->kind = (enum inject_kind)kind;
        if (has_name(inject->kind))
            inject->name = get_string(m, LIMIT_FORMAT);
        if (has_format(inject->kind))
            inject->format = get_string(m, LIMIT_FORMAT);
    }
}

static void get_rules(struct ipc_message *m, struct rule **ret, size_t *ret_n) {
    size_t n = ipc_get_u32(m);
    struct rule *rules = get_list(m, n, LIMIT_RULES, sizeof(*rules));

    if (!rules)
        return;
    for (size_t i = 0; i < n; i++) {
        rules[i].method = get_string(m, LIMIT_METHOD);
        rules[i].path = get_string(m, LIMIT_RULE);
        rules[i].line = ipc_get_u32(m);
    }
    *ret = rules;
    *ret_n = n;
}

static struct limits get_limits(struct ipc_message *m) {
    struct limits limits;

    limits.requests = ipc_get_u64(m);
    limits.bytes = ipc_get_u64(m);
    limits.rate_count = ipc_get_u64(m);
    limits.rate_ms = ipc_get_u64(m);
    limits.concurrent = ipc_get_u64(m);
    limits.ttl_ms = ipc_get_u64(m);
    limits.max_body = ipc_get_u64(m);
    return limits;
}

static void get_flags(struct ipc_message *m, struct credential *credential) {
    uint8_t flags = ipc_get_u8(m);

    if (flags > ALL_FLAGS)
        ipc_fail(m);
    credential->allows_all = flags & ALLOWS_ALL;
    credential->allows_private = flags & ALLOWS_PRIVATE;
    credential->is_mask_off = flags & IS_MASK_OFF;
    credential->passes_cookies = flags & PASSES_COOKIES;
    credential->allows_websocket = flags & ALLOWS_WEBSOCKET;
}

int credential_decode(struct ipc_message *m, uint32_t *ret_id, struct credential **ret) {
    struct credential *credential = calloc(1, sizeof(*credential));
    uint32_t id = ipc_get_u32(m);

    if (!credential)
        return -ENOMEM;
    credential->name = get_string(m, LIMIT_NAME);
    credential->upstream = get_string(m, LIMIT_AUTHORITY + LIMIT_BASE_PATH);
    get_injections(m, credential);
    get_flags(m, credential);
    credential->response_timeout_ms = ipc_get_u64(m);
    credential->limits = get_limits(m);
    get_rules(m, &credential->allow, &credential->n_allow);
    get_rules(m, &credential->deny, &credential->n_deny);
    if (ipc_end(m) < 0 || !credential_is_sound(credential)) {
        credential_free(credential);
        return -EPROTO;
    }
    *ret_id = id;
    *ret = credential;
    return 0;
}

static void free_rules(struct rule *rules, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(rules[i].method);
        free(rules[i].path);
    }
    free(rules);
}

void credential_free(struct credential *credential) {
    if (!credential)
        return;
    free_rules(credential->allow, credential->n_allow);
    free_rules(credential->deny, credential->n_deny);
    for (size_t i = 0; i < credential->n_inject; i++) {
        free(credential->inject[i].name);
        free(credential->inject[i].format);
    }
    free(credential->inject);
    free(credential->upstream);
    free(credential->name);
    free(credential);
}

struct ipc_writer door_encode(uint32_t number, const struct credential *credential) {
    struct ipc_writer w = ipc_begin(IPC_DOOR);
    struct slice fields[LIMIT_INJECTIONS];
    size_t n = 0;

    for (size_t i = 0; i < credential->n_inject; i++)
        if (inject_field(&credential->inject[i]).n > 0)
            fields[n++] = inject_field(&credential->inject[i]);
    ipc_put_u32(&w, number);
    ipc_put_bytes(&w, slice_of_string(credential->name));
    ipc_put_u8(&w, (uint8_t)n);
    for (size_t i = 0; i < n; i++)
        ipc_put_bytes(&w, fields[i]);
    return w;
}

int door_decode(struct ipc_message *m, struct door_order *ret) {
    struct door_order door = {.number = ipc_get_u32(m)};
    _cleanup_close_ int fd = -EBADF;

    door.lease = ipc_get_bytes(m, LIMIT_NAME);
    door.n_fields = ipc_get_u8(m);
    if (door.n_fields > LIMIT_INJECTIONS)
        ipc_fail(m);
    for (size_t i = 0; !m->is_failed && i < door.n_fields; i++)
        door.fields[i] = ipc_get_bytes(m, LIMIT_NAME);
    fd = ipc_get_fd(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    door.fd = fd_steal(&fd);
    *ret = door;
    return 0;
}

struct ipc_writer timeouts_encode(const struct timeouts *timeouts) {
    struct ipc_writer w = ipc_begin(IPC_TIMEOUTS);

    ipc_put_u64(&w, timeouts->head);
    ipc_put_u64(&w, timeouts->idle);
    ipc_put_u64(&w, timeouts->body);
    ipc_put_u64(&w, timeouts->write);
    ipc_put_u64(&w, timeouts->stream);
    ipc_put_u64(&w, timeouts->connect);
    return w;
}

int timeouts_decode(struct ipc_message *m, struct timeouts *ret) {
    struct timeouts timeouts;

    timeouts.head = ipc_get_u64(m);
    timeouts.idle = ipc_get_u64(m);
    timeouts.body = ipc_get_u64(m);
    timeouts.write = ipc_get_u64(m);
    timeouts.stream = ipc_get_u64(m);
    timeouts.connect = ipc_get_u64(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = timeouts;
    return 0;
}
