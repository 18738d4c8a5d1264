#include "base/limits.h"
#include "egress/audit/audit_codec.h"
#include "egress/credential_codec.h"
#include "egress/exchange_codec.h"
#include "fuzz.h"
#include "wire/http_write.h"

static char again_bytes[2 * LIMIT_DATAGRAM];
static struct http_fields fields, again_fields;
static struct http_request parsed;

/* The message that was put together, and its tail behind it, as it would arrive. */
static struct ipc_message arrive(const struct ipc_writer *w, struct slice tail) {
    struct slice bytes = ipc_writer_bytes(w);

    REQUIRE(!w->is_failed && bytes.n + tail.n <= LIMIT_DATAGRAM);
    memcpy(again_bytes, bytes.p, bytes.n);
    if (tail.n > 0)
        memcpy(again_bytes + bytes.n, tail.p, tail.n);
    return ipc_message_of(slice_of(again_bytes, bytes.n + tail.n));
}

static void require_equal_fields(const struct http_field *a, size_t n_a, const struct http_field *b, size_t n_b) {
    REQUIRE(n_a == n_b && n_a <= LIMIT_FIELDS);
    for (size_t i = 0; i < n_a; i++)
        REQUIRE(slice_equals(a[i].name, b[i].name) && slice_equals(a[i].value, b[i].value));
}

static void require_equal_framing(struct http_framing a, struct http_framing b) {
    REQUIRE(a.kind == b.kind && a.length == b.length && a.kind != HTTP_BODY_CLOSE);
}

/* Put as it is into a head, what was accepted is read as exactly the parts that it was: nothing breaks out of its place. */
static void require_one_place_each(const struct request_head *request) {
    size_t n_target = request->path.n + 1 + request->query.n;
    char target[2 * LIMIT_TARGET + 1];
    struct buf out;
    bool is_small = n_target <= LIMIT_TARGET;

    memcpy(target, request->path.p, request->path.n);
    target[request->path.n] = '?';
    if (request->query.n > 0)
        memcpy(target + request->path.n + 1, request->query.p, request->query.n);
    buf_init(&out, 2 * LIMIT_HEAD);
    REQUIRE(http_write_request_line(&out, request->method, slice_of(target, n_target - !request->has_query)) == 0);
    REQUIRE(http_write_fields(&out, request->fields, request->n_fields) == 0 || buf_length(&out) > LIMIT_HEAD);
    for (size_t i = 0; i < request->n_fields; i++)
        is_small = is_small && request->fields[i].name.n + request->fields[i].value.n + 4 <= LIMIT_FIELD_LINE;
    if (is_small && buf_length(&out) < LIMIT_HEAD - 2) {
        struct http_head_scan scan = {0};
        enum http_fault fault;

        REQUIRE(http_write_head_end(&out) == 0);
        REQUIRE(http_head_scan(&scan, HTTP_REQUEST, buf_slice(&out), &fault) == (ptrdiff_t)buf_length(&out));
        REQUIRE(http_request_parse(buf_slice(&out), &parsed) == HTTP_OK);
        REQUIRE(slice_equals(parsed.method, request->method));
        REQUIRE(slice_equals(parsed.target, slice_of(target, n_target - !request->has_query)));
        require_equal_fields(parsed.fields.at, parsed.fields.n, request->fields, request->n_fields);
    }
    buf_release(&out);
}

static void try_request(struct ipc_message m, struct slice in) {
    struct request_head request, again;
    struct slice data, again_data;
    struct ipc_writer w;
    bool is_end, again_end;

    if (request_decode(&m, &fields, &request, &data, &is_end) < 0)
        return;
    REQUIRE(is_inside(request.method, in) && is_inside(request.path, in) && is_inside(request.query, in));
    REQUIRE(is_inside(data, in));
    REQUIRE(!http_fields_find(&fields, HTTP_NAME_HOST, 0, NULL));
    REQUIRE(!http_fields_find(&fields, HTTP_NAME_CONTENT_LENGTH, 0, NULL));
    REQUIRE(!http_fields_find(&fields, HTTP_NAME_TRANSFER_ENCODING, 0, NULL));
    REQUIRE(!http_fields_find(&fields, HTTP_NAME_CONNECTION, 0, NULL));
    require_one_place_each(&request);

    w = request_encode(&request, data, is_end);
    m = arrive(&w, data);
    REQUIRE(request_decode(&m, &again_fields, &again, &again_data, &again_end) == 0);
    REQUIRE(slice_equals(again.method, request.method) && slice_equals(again.path, request.path));
    REQUIRE(slice_equals(again.query, request.query) && again.has_query == request.has_query);
    REQUIRE(again.expects_continue == request.expects_continue && again_end == is_end);
    REQUIRE(slice_equals(again_data, data));
    require_equal_framing(again.body, request.body);
    require_equal_fields(again.fields, again.n_fields, request.fields, request.n_fields);
}

static void try_event(struct ipc_message m, struct slice in) {
    struct upstream_event event, again;
    struct ipc_writer w;

    if (event_decode(&m, &fields, &event) < 0)
        return;
    REQUIRE(is_inside(event.data, in) && is_inside(event.reason, in));
    w = event_encode(&event);
    m = arrive(&w, event.type == UPSTREAM_ABORT ? SLICE_EMPTY : event.data);
    REQUIRE(event_decode(&m, &again_fields, &again) == 0);
    REQUIRE(again.type == event.type && again.is_end == event.is_end && again.status == event.status);
    REQUIRE(again.response.status == event.response.status);
    REQUIRE(slice_equals(again.data, event.data) && slice_equals(again.reason, event.reason));
    require_equal_framing(again.response.body, event.response.body);
    require_equal_framing(again.response.declared, event.response.declared);
    require_equal_fields(again.response.fields, again.response.n_fields, event.response.fields,
                         event.response.n_fields);
}

static bool is_same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void require_equal_rules(const struct rule *a, size_t n_a, const struct rule *b, size_t n_b) {
    REQUIRE(n_a == n_b);
    for (size_t i = 0; i < n_a; i++)
        REQUIRE(strcmp(a[i].method, b[i].method) == 0 && strcmp(a[i].path, b[i].path) == 0 && a[i].line == b[i].line);
}

static void require_equal_credentials(const struct credential *a, const struct credential *b) {
    REQUIRE(strcmp(a->name, b->name) == 0 && strcmp(a->upstream, b->upstream) == 0);
    REQUIRE(a->authority.port == b->authority.port && slice_equals(a->authority.host, b->authority.host));
    REQUIRE(a->n_inject == b->n_inject);
    for (size_t i = 0; i < a->n_inject; i++)
        REQUIRE(a->inject[i].kind == b->inject[i].kind && is_same_text(a->inject[i].name, b->inject[i].name) &&
                is_same_text(a->inject[i].format, b->inject[i].format));
    REQUIRE(a->allows_all == b->allows_all && a->allows_private == b->allows_private);
    REQUIRE(a->is_mask_off == b->is_mask_off && a->passes_cookies == b->passes_cookies);
    REQUIRE(a->response_timeout_ms == b->response_timeout_ms);
    REQUIRE(memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0); /* seven numbers and no padding */
    require_equal_rules(a->allow, a->n_allow, b->allow, b->n_allow);
    require_equal_rules(a->deny, a->n_deny, b->deny, b->n_deny);
}

static void try_credential(struct ipc_message m) {
    struct credential *credential, *again;
    uint32_t id, again_id;
    struct ipc_writer w;

    if (credential_decode(&m, &id, &credential) < 0)
        return;
    REQUIRE(credential->n_allow <= LIMIT_RULES);
    w = credential_encode(id, credential);
    m = arrive(&w, SLICE_EMPTY);
    REQUIRE(credential_decode(&m, &again_id, &again) == 0);
    REQUIRE(again_id == id);
    require_equal_credentials(again, credential);
    credential_free(again);
    credential_free(credential);
}

static void try_record(struct ipc_message m, struct slice in) {
    struct exchange_record record, again;
    uint64_t stream, again_stream;
    struct ipc_writer w;

    if (record_decode(&m, &stream, &record) < 0)
        return;
    REQUIRE(is_inside(record.path, in) && is_inside(record.rule, in) && is_inside(record.reason, in));
    w = record_encode(stream, &record);
    m = arrive(&w, SLICE_EMPTY);
    REQUIRE(record_decode(&m, &again_stream, &again) == 0);
    REQUIRE(again_stream == stream && slice_equals(again.method, record.method) &&
            slice_equals(again.path, record.path));
    REQUIRE(slice_equals(again.rule, record.rule) && slice_equals(again.reason, record.reason));
    REQUIRE(again.status == record.status && again.bytes_in == record.bytes_in && again.bytes_out == record.bytes_out);
    REQUIRE(again.duration_ms == record.duration_ms && again.masked == record.masked);
    REQUIRE(again.is_admitted == record.is_admitted && again.refusal == record.refusal);
    REQUIRE(again.connection == record.connection);
}

static void try_timeouts(struct ipc_message m) {
    struct timeouts timeouts, again;
    struct ipc_writer w;

    if (timeouts_decode(&m, &timeouts) < 0)
        return;
    w = timeouts_encode(&timeouts);
    m = arrive(&w, SLICE_EMPTY);
    REQUIRE(timeouts_decode(&m, &again) == 0);
    REQUIRE(memcmp(&again, &timeouts, sizeof(again)) == 0); /* six numbers and no padding */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size);
    struct ipc_message m = ipc_message_of(in);

    if (size > LIMIT_DATAGRAM)
        return 0;
    switch (m.type) {
    case IPC_REQUEST:
        try_request(m, in);
        break;
    case IPC_CREDENTIAL:
        try_credential(m);
        break;
    case IPC_EXCHANGE:
        try_record(m, in);
        break;
    case IPC_TIMEOUTS:
        try_timeouts(m);
        break;
    default:
        try_event(m, in); /* of four types, and none of the others */
        break;
    }
    return 0;
}
