#include "egress/exchange_codec.h"

#include <errno.h>

#include "base/macros.h"
#include "base/weaken.h"
#include "wire/websocket.h"

#define REASON_MAX 256

enum request_flag { HAS_QUERY = 1, EXPECTS_CONTINUE = 2, IS_END = 4, IS_UPGRADE = 8, ALL_FLAGS = 15 };

static void put_fields(struct ipc_writer *w, const struct http_field *fields, size_t n) {
    ipc_put_u16(w, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        ipc_put_bytes(w, fields[i].name);
        ipc_put_bytes(w, fields[i].value);
    }
}

static void get_fields(struct ipc_message *m, struct http_fields *ret) {
    size_t n = ipc_get_u16(m);

    http_fields_clear(ret);
    if (n > LIMIT_FIELDS) {
        ipc_fail(m);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice name = ipc_get_bytes(m, LIMIT_FIELD_LINE), value = ipc_get_bytes(m, LIMIT_FIELD_LINE);

        http_fields_add(ret, name, value, http_name_of(name));
    }
}

static void put_framing(struct ipc_writer *w, struct http_framing framing) {
    ipc_put_u8(w, (uint8_t)framing.kind);
    ipc_put_u64(w, framing.length);
}

static struct http_framing get_framing(struct ipc_message *m) {
    uint8_t kind = ipc_get_u8(m);
    struct http_framing framing = {.length = ipc_get_u64(m)};

    if (kind > HTTP_BODY_CHUNKED || framing.length > INT64_MAX)
        ipc_fail(m);
    else
        framing.kind = (enum http_body_kind)kind;
    return framing;
}

struct ipc_writer request_encode(const struct request_head *request, struct slice data, bool is_end) {
    struct ipc_writer w = ipc_begin(IPC_REQUEST);
    unsigned flags = (request->has_query ? HAS_QUERY : 0U) | (request->expects_continue ? EXPECTS_CONTINUE : 0U) |
                     (is_end ? IS_END : 0U) | (request->is_upgrade ? IS_UPGRADE : 0U);

    ipc_put_u8(&w, (uint8_t)flags);
    ipc_put_bytes(&w, request->method);
    ipc_put_bytes(&w, request->path);
    ipc_put_bytes(&w, request->query);
    put_framing(&w, request->body);
    put_fields(&w, request->fields, request->n_fields);
    ipc_put_tail(&w, data);
    return w;
}

static bool is_target_part(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '#' || text.p[i] == '\\')
            return false;
    return true;
}

/* What only the keeper may write. */
static bool is_reserved(enum http_name name) {
    static const uint64_t reserved =
        HTTP_NAME_SET(HOST) | HTTP_NAME_SET(CONTENT_LENGTH) | HTTP_NAME_SET(TRANSFER_ENCODING) |
        HTTP_NAME_SET(CONNECTION) | HTTP_NAME_SET(EXPECT) | HTTP_NAME_SET(UPGRADE) | HTTP_NAME_SET(TE) |
        HTTP_NAME_SET(TRAILER) | HTTP_NAME_SET(KEEP_ALIVE) | HTTP_NAME_SET(PROXY_CONNECTION);

    return !WEAKENED(FIELDS) && http_name_is_in(name, reserved);
}

/* The known names are tokens. */
static bool is_sound_field(const struct http_field *field) {
    enum http_name name = http_field_name(field);

    return (http_name_is_known(name) || http_is_token(field->name)) && http_is_field_value(field->value) &&
           !is_reserved(name);
}

/* S 9.3.8: TRACE would be answered with the key in it. S 9.3.6: CONNECT would turn its connection into a tunnel. */
static bool is_sound_method(struct slice method) {
    return http_is_token(method) && !slice_equals_nocase(method, SLICE("TRACE")) &&
           !slice_equals_nocase(method, SLICE("TRACK")) && !slice_equals(method, SLICE("CONNECT"));
}

static bool is_sound(const struct request_head *r, struct slice data, bool is_end) {
    bool has_path = slice_starts_with(r->path, SLICE("/")) ||
                    (slice_equals(r->path, SLICE("*")) && slice_equals(r->method, SLICE("OPTIONS")) && !r->has_query);

    if (!is_sound_method(r->method) || !has_path || !is_target_part(r->path) || !is_target_part(r->query) ||
        slice_has(r->path, '?') || (r->query.n > 0 && !r->has_query))
        return false;
    for (size_t i = 0; i < r->n_fields; i++)
        if (!is_sound_field(&r->fields[i]))
            return false;
    if (r->body.kind == HTTP_BODY_NONE)
        return data.n == 0 && is_end;
    return r->body.kind == HTTP_BODY_CHUNKED || (data.n <= r->body.length && (!is_end || data.n == r->body.length));
}

/* RFC 6455 §4.1 */
static bool is_sound_upgrade(const struct request_head *r, const struct http_fields *fields) {
    return !r->is_upgrade || (slice_equals(r->method, SLICE("GET")) && r->body.kind == HTTP_BODY_NONE &&
                              websocket_request_check(fields) == HTTP_OK);
}

int request_decode(struct ipc_message *m, struct http_fields *fields, struct request_head *ret, struct slice *ret_data,
                   bool *ret_end) {
    uint8_t flags = ipc_get_u8(m);
    struct request_head request = {0};
    struct slice data;

    if (flags > ALL_FLAGS)
        ipc_fail(m);
    request.has_query = flags & HAS_QUERY;
    request.expects_continue = flags & EXPECTS_CONTINUE;
    request.is_upgrade = flags & IS_UPGRADE;
    request.method = ipc_get_bytes(m, LIMIT_METHOD);
    request.path = ipc_get_bytes(m, LIMIT_TARGET);
    request.query = ipc_get_bytes(m, LIMIT_TARGET);
    request.body = get_framing(m);
    get_fields(m, fields);
    request.fields = fields->at;
    request.n_fields = fields->n;
    data = ipc_get_bytes(m, LIMIT_DATAGRAM);
    if (ipc_end(m) < 0 || !is_sound(&request, data, flags & IS_END) || !is_sound_upgrade(&request, fields))
        return -EPROTO;
    *ret = request;
    *ret_data = data;
    *ret_end = flags & IS_END;
    return 0;
}

struct ipc_writer data_encode(struct slice data, bool is_end) {
    struct ipc_writer w = ipc_begin(IPC_DATA);

    ipc_put_u8(&w, is_end);
    ipc_put_tail(&w, data);
    return w;
}

int data_decode(struct ipc_message *m, struct slice *ret_data, bool *ret_end) {
    uint8_t end = ipc_get_u8(m);
    struct slice data = ipc_get_bytes(m, LIMIT_DATAGRAM);

    if (ipc_end(m) < 0 || end > 1)
        return -EPROTO;
    *ret_data = data;
    *ret_end = end == 1;
    return 0;
}

struct ipc_writer abort_encode(unsigned status, struct slice reason) {
    struct ipc_writer w = ipc_begin(IPC_ABORT);

    ipc_put_u16(&w, (uint16_t)status);
    ipc_put_bytes(&w, slice_first(reason, REASON_MAX));
    return w;
}

int abort_decode(struct ipc_message *m, unsigned *ret_status, struct slice *ret_reason) {
    unsigned status = ipc_get_u16(m);
    struct slice reason = ipc_get_bytes(m, REASON_MAX);

    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret_status = status;
    *ret_reason = reason;
    return 0;
}

static struct ipc_writer response_encode(const struct upstream_event *event) {
    struct ipc_writer w = ipc_begin(event->type == UPSTREAM_RESPONSE ? IPC_RESPONSE : IPC_INTERIM);

    ipc_put_u16(&w, (uint16_t)event->response.status);
    ipc_put_u8(&w, event->is_end);
    put_framing(&w, event->response.body);
    put_framing(&w, event->response.declared);
    put_fields(&w, event->response.fields, event->response.n_fields);
    ipc_put_tail(&w, event->data);
    return w;
}

struct ipc_writer event_encode(const struct upstream_event *event) {
    switch (event->type) {
    case UPSTREAM_DATA:
        return data_encode(event->data, event->is_end);
    case UPSTREAM_ABORT:
        return abort_encode(event->status, event->reason);
    case UPSTREAM_SWITCH:
    case UPSTREAM_INTERIM:
    case UPSTREAM_RESPONSE:
        break;
    }
    return response_encode(event);
}

static int response_decode(struct ipc_message *m, struct http_fields *fields, struct upstream_event *event) {
    event->response.status = ipc_get_u16(m);
    event->is_end = ipc_get_u8(m) == 1;
    event->response.body = get_framing(m);
    event->response.declared = get_framing(m);
    get_fields(m, fields);
    event->response.fields = fields->at;
    event->response.n_fields = fields->n;
    event->data = ipc_get_bytes(m, LIMIT_DATAGRAM);
    return ipc_end(m);
}

int event_decode(struct ipc_message *m, struct http_fields *fields, struct upstream_event *ret) {
    struct upstream_event event = {0};
    int r = -EPROTO;

    switch (m->type) {
    case IPC_INTERIM:
        r = response_decode(m, fields, &event);
        event.type = event.response.status == 101 ? UPSTREAM_SWITCH : UPSTREAM_INTERIM; /* no other 101 comes so far */
        break;
    case IPC_RESPONSE:
        event.type = UPSTREAM_RESPONSE;
        r = response_decode(m, fields, &event);
        break;
    case IPC_DATA:
        event.type = UPSTREAM_DATA;
        r = data_decode(m, &event.data, &event.is_end);
        break;
    case IPC_ABORT:
        event.type = UPSTREAM_ABORT;
        r = abort_decode(m, &event.status, &event.reason);
        break;
    default:
        (void)ipc_end(m);
    }
    if (r == 0)
        *ret = event;
    return r;
}
