#include "ingress/visit/onward.h"

#include "base/macros.h"
#include "wire/http_body.h"
#include "wire/http_write.h"

static int write_target(const struct request_head *request, struct buf *to) {
    _uninitialised_ char target[LIMIT_TARGET + 2];
    size_t n = request->path.n;

    if (!request->has_query)
        return http_write_request_line(to, request->method, request->path);
    memcpy(target, request->path.p, MIN_OF(n, (size_t)LIMIT_TARGET));
    n = MIN_OF(n, (size_t)LIMIT_TARGET);
    target[n++] = '?';
    memcpy(target + n, request->query.p, MIN_OF(request->query.n, sizeof(target) - n));
    n += MIN_OF(request->query.n, sizeof(target) - n);
    return http_write_request_line(to, request->method, slice_of(target, n));
}

static int write_framing(const struct request_head *request, struct buf *to) {
    if (request->body.kind == HTTP_BODY_LENGTH)
        return http_write_field_number(to, SLICE("Content-Length"), request->body.length);
    if (request->body.kind == HTTP_BODY_CHUNKED)
        return http_write_field(to, SLICE("Transfer-Encoding"), SLICE("chunked"));
    return 0;
}

/* What Connection says is between us and the instance (S 7.6.1). */
static int write_own(const struct request_head *request, struct buf *to) {
    int r = write_framing(request, to);

    if (r == 0 && request->expects_continue)
        r = http_write_field(to, SLICE("Expect"), SLICE("100-continue"));
    if (r == 0 && request->is_upgrade)
        r = buf_append(to, SLICE("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    return r == 0 ? http_write_head_end(to) : r;
}

static int write_kept(const struct http_field *fields, size_t n, bool drops_encodings, struct buf *to) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        if (!drops_encodings || !slice_equals_nocase(fields[i].name, SLICE("Accept-Encoding")))
            r = http_write_field(to, fields[i].name, fields[i].value);
    return r;
}

int onward_write(const struct onward *how, const struct request_head *request, struct slice data, bool is_end,
                 struct buf *to) {
    _uninitialised_ struct http_field kept[LIMIT_FIELDS];
    _uninitialised_ struct forwarded forwarded;
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    size_t n_kept, n_parts = 1;
    char line[20];
    int r;

    front_forward(how->front, how->peer, request, how->identity_header, how->name, kept, &n_kept, &forwarded);
    r = write_target(request, to);
    if (r == 0) /* an HTTP/1.0 client may name none; to the instance it is a request like any other */
        r = http_write_field(to, SLICE("Host"), request->host.n > 0 ? request->host : SLICE("localhost"));
    if (r == 0)
        r = write_kept(kept, n_kept, how->drops_encodings, to);
    if (r == 0)
        r = http_write_fields(to, forwarded.fields, forwarded.n);
    if (r == 0)
        r = write_own(request, to);
    if (request->body.kind == HTTP_BODY_CHUNKED)
        n_parts = http_chunk_frame(data, is_end, line, parts);
    return r == 0 ? buf_append_rest(to, parts, n_parts, 0) : r;
}
