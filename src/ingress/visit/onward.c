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

/* Host first, then what travels on, then what is made here. Returns how many; the kept ones stand from `all[1]` on. */
static size_t gather(const struct onward *how, const struct request_head *request, const struct forwarded *forwarded,
                     size_t n_kept, struct http_field *all) {
    /* an HTTP/1.0 client may name none; to the instance it is a request like any other */
    struct slice host = request->host.n > 0 ? request->host : SLICE("localhost");
    size_t n = 1;

    all[0] = (struct http_field){SLICE("Host"), host, HTTP_NAME_HOST};
    for (size_t i = 1; i <= n_kept && how->drops_encodings; i++)
        if (http_field_name(&all[i]) != HTTP_NAME_ACCEPT_ENCODING)
            all[n++] = all[i];
    if (!how->drops_encodings)
        n += n_kept;
    memcpy(all + n, forwarded->fields, forwarded->n * sizeof(*all));
    return n + forwarded->n;
}

int onward_write(const struct onward *how, const struct request_head *request, struct slice data, bool is_end,
                 struct buf *to) {
    _uninitialised_ struct http_field all[1 + LIMIT_FIELDS + FRONT_FIELDS];
    _uninitialised_ struct forwarded forwarded;
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    size_t n_kept, n_parts = 1;
    char line[20];
    int r;

    front_forward(how->front, how->peer, request, how->identity_header, how->name, all + 1, &n_kept, &forwarded);
    r = write_target(request, to);
    if (r == 0)
        r = http_write_fields(to, all, gather(how, request, &forwarded, n_kept, all));
    if (r == 0)
        r = write_own(request, to);
    if (request->body.kind == HTTP_BODY_CHUNKED)
        n_parts = http_chunk_frame(data, is_end, line, parts);
    return r == 0 ? buf_append_rest(to, parts, n_parts, 0) : r;
}
