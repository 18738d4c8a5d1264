#include "egress/door/proxy_onward.h"

#include "base/limits.h"
#include "base/macros.h"
#include "wire/http_body.h"
#include "wire/http_write.h"

static size_t put(char *to, size_t at, struct slice text) {
    text = slice_first(text, (size_t)LIMIT_TARGET + 1 - at);
    memcpy(to + at, text.p, text.n);
    return at + text.n;
}

static int write_target(const struct request_head *request, struct buf *to) {
    _uninitialised_ char target[LIMIT_TARGET + 1];
    size_t n = put(target, 0, request->path);

    if (request->has_query) {
        n = put(target, n, SLICE("?"));
        n = put(target, n, request->query);
    }
    return http_write_request_line(to, request->method, slice_of(target, n));
}

static int write_framing(const struct request_head *request, struct buf *to) {
    if (request->body.kind == HTTP_BODY_LENGTH)
        return http_write_field_number(to, SLICE("Content-Length"), request->body.length);
    if (request->body.kind == HTTP_BODY_CHUNKED)
        return http_write_field(to, SLICE("Transfer-Encoding"), SLICE("chunked"));
    return 0;
}

int proxy_onward_write(struct slice authority, const struct request_head *request, struct buf *to) {
    int r = write_target(request, to);

    if (r == 0)
        r = http_write_field(to, SLICE("Host"), authority);
    if (r == 0)
        r = http_write_fields(to, request->fields, request->n_fields);
    if (r == 0)
        r = write_framing(request, to);
    if (r == 0 && request->expects_continue)
        r = http_write_field(to, SLICE("Expect"), SLICE("100-continue"));
    if (r == 0)
        r = http_write_field(to, SLICE("Connection"), SLICE("close"));
    return r == 0 ? http_write_head_end(to) : r;
}

int proxy_onward_body(struct http_framing framing, struct slice data, bool is_end, struct buf *to) {
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    size_t n = 1;
    char line[20];

    if (framing.kind == HTTP_BODY_CHUNKED)
        n = http_chunk_frame(data, is_end, line, parts);
    return buf_append_rest(to, parts, n, 0);
}
