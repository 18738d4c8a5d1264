#include "wire/http_body.h"

#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"
#include "wire/http_char.h"

void http_body_init(struct http_body *body, struct http_framing framing) {
    *body = (struct http_body){.kind = framing.kind, .state = CHUNK_SIZE};
    if (framing.kind == HTTP_BODY_LENGTH)
        body->remaining = framing.length;
    body->is_complete = framing.kind == HTTP_BODY_NONE || (framing.kind == HTTP_BODY_LENGTH && framing.length == 0);
}

/* The front of `in` that belongs to the length or the chunk; `body->remaining` goes down by it. */
static struct slice take_content(struct http_body *body, struct slice in) {
    struct slice data = slice_first(in, body->remaining < in.n ? (size_t)body->remaining : in.n);

    body->remaining -= data.n;
    return data;
}

/* 1*HEXDIG, then CR or an extension: 16 digits at most, and below 2^63 (§7.1). */
static enum http_fault take_size_byte(struct http_body *body, char c) {
    int digit = num_hex_digit(c);

    if (digit >= 0) {
        if (body->digits == LIMIT_CHUNK_SIZE_DIGITS || body->remaining > (uint64_t)INT64_MAX >> 4)
            return HTTP_BAD_CHUNK;
        body->remaining = body->remaining << 4 | (unsigned)digit;
        body->digits++;
        return HTTP_OK;
    }
    if (body->digits == 0 || (c != '\r' && c != ';'))
        return HTTP_BAD_CHUNK;
    body->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    body->extension_bytes = c == ';' ? 1 : 0;
    return HTTP_OK;
}

/* Extensions mean nothing to us (§7.1.1): only their size and their bytes are watched. */
static enum http_fault take_extension_byte(struct http_body *body, char c) {
    if (c == '\r') {
        body->state = CHUNK_SIZE_LF;
        return HTTP_OK;
    }
    if (c == '\t' || !http_char_is(c, HTTP_CHAR_FIELD) || ++body->extension_bytes > LIMIT_CHUNK_EXTENSION)
        return HTTP_BAD_CHUNK;
    return HTTP_OK;
}

/* What frames, routes or authenticates a message would come too late for every check on its head (S 6.5.1). */
static bool is_good_trailer(const struct http_body *body, struct slice line) {
    static const struct slice refused[] = {
        SLICE("Content-Length"), SLICE("Transfer-Encoding"),   SLICE("Host"),
        SLICE("Authorization"),  SLICE("Proxy-Authorization"), SLICE("Cookie"),
        SLICE("Set-Cookie"),
    };
    size_t n = http_char_span(line, HTTP_CHAR_TOKEN);

    if (n == 0 || n == line.n || line.p[n] != ':')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (slice_equals_nocase(slice_first(line, n), refused[i]))
            return false;
    for (size_t i = 0; i < body->n_protected; i++)
        if (slice_equals_nocase(slice_first(line, n), body->protected_names[i]))
            return false;
    return true;
}

static enum http_fault take_trailer_byte(struct http_body *body, char c) {
    if (++body->trailer_bytes > LIMIT_TRAILERS)
        return HTTP_BAD_TRAILER;
    if (c == '\r') {
        body->state = body->state == CHUNK_TRAILER_START ? CHUNK_END_LF : CHUNK_TRAILER_LF;
        return HTTP_OK;
    }
    if (!http_char_is(c, HTTP_CHAR_FIELD))
        return HTTP_BAD_TRAILER;
    if (body->state == CHUNK_TRAILER_START)
        body->line.n = 0;
    if (body->line.n < sizeof(body->line.bytes))
        body->line.bytes[body->line.n++] = c;
    body->state = CHUNK_TRAILER_LINE;
    return HTTP_OK;
}

/* A byte that must be `expected`; then `next` is waited for. */
static enum http_fault take_exactly(struct http_body *body, char c, char expected, enum http_chunk_state next) {
    if (c != expected && !WEAKENED(CHUNKS))
        return HTTP_BAD_CHUNK;
    body->state = next;
    return HTTP_OK;
}

static enum http_fault take_framing_byte(struct http_body *body, char c) {
    enum http_fault fault;

    switch (body->state) {
    case CHUNK_SIZE:
        return take_size_byte(body, c);
    case CHUNK_EXTENSION:
        return take_extension_byte(body, c);
    case CHUNK_SIZE_LF:
        return take_exactly(body, c, '\n', body->remaining > 0 ? CHUNK_DATA : CHUNK_TRAILER_START);
    case CHUNK_DATA_CR:
        return take_exactly(body, c, '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        body->digits = 0;
        return take_exactly(body, c, '\n', CHUNK_SIZE);
    case CHUNK_TRAILER_START:
    case CHUNK_TRAILER_LINE:
        return take_trailer_byte(body, c);
    case CHUNK_TRAILER_LF:
        if (c != '\n' || !is_good_trailer(body, slice_of(body->line.bytes, body->line.n)))
            return HTTP_BAD_TRAILER;
        body->state = CHUNK_TRAILER_START;
        return HTTP_OK;
    case CHUNK_END_LF:
        fault = take_exactly(body, c, '\n', CHUNK_END_LF);
        body->is_complete = fault == HTTP_OK;
        return fault;
    case CHUNK_DATA: /* content is no framing: decode_chunked takes it */
        break;
    }
    return HTTP_BAD_CHUNK;
}

static ptrdiff_t decode_chunked(struct http_body *body, struct slice in, struct slice *ret_data,
                                enum http_fault *ret_fault) {
    struct slice data = SLICE_EMPTY;
    size_t at = 0;

    while (at < in.n && data.n == 0 && !body->is_complete) {
        if (body->state == CHUNK_DATA) {
            data = take_content(body, slice_from(in, at));
            at += data.n;
            if (body->remaining == 0)
                body->state = CHUNK_DATA_CR;
        } else {
            enum http_fault fault = take_framing_byte(body, in.p[at++]);

            if (fault != HTTP_OK) {
                *ret_fault = fault;
                return -1;
            }
        }
    }
    *ret_data = data;
    return (ptrdiff_t)at;
}

ptrdiff_t http_body_decode(struct http_body *body, struct slice in, struct slice *ret_data,
                           enum http_fault *ret_fault) {
    *ret_data = SLICE_EMPTY;
    if (body->is_complete)
        return 0;
    switch (body->kind) {
    case HTTP_BODY_NONE:
        return 0;
    case HTTP_BODY_LENGTH:
        *ret_data = take_content(body, in);
        body->is_complete = body->remaining == 0;
        return (ptrdiff_t)ret_data->n;
    case HTTP_BODY_CHUNKED:
        return decode_chunked(body, in, ret_data, ret_fault);
    case HTTP_BODY_CLOSE:
        *ret_data = in;
        return (ptrdiff_t)in.n;
    }
    return 0;
}

ptrdiff_t http_body_gather(struct http_body *body, char *bytes, size_t n, size_t *ret_content,
                           enum http_fault *ret_fault) {
    size_t at = 0, content = 0;

    while (at < n && !body->is_complete) {
        struct slice data;
        ptrdiff_t used = http_body_decode(body, slice_of(bytes + at, n - at), &data, ret_fault);

        if (used < 0)
            return -1;
        if (used == 0)
            break;
        at += (size_t)used;
        if (data.n > 0 && bytes + content != data.p)
            memmove(bytes + content, data.p, data.n);
        content += data.n;
    }
    *ret_content = content;
    return (ptrdiff_t)at;
}

bool http_body_may_end(const struct http_body *body) {
    return body->is_complete || body->kind == HTTP_BODY_CLOSE;
}

/* The line before a chunk of `size` bytes. */
static size_t chunk_line(char line[static 20], size_t size) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 1, at;

    while (n < 2 * sizeof(size) && size >> (4 * n) != 0)
        n++;
    for (at = n; at > 0; at--, size >>= 4)
        line[at - 1] = digits[size & 0xF];
    line[n] = '\r';
    line[n + 1] = '\n';
    return n + 2;
}

size_t http_chunk_frame(struct slice data, bool is_end, char line[static 20],
                        struct slice ret_parts[static HTTP_CHUNK_PARTS]) {
    if (data.n == 0) {
        ret_parts[0] = SLICE("0\r\n\r\n");
        return is_end ? 1 : 0;
    }
    ret_parts[0] = slice_of(line, chunk_line(line, data.n));
    ret_parts[1] = data;
    ret_parts[2] = is_end ? SLICE("\r\n0\r\n\r\n") : SLICE("\r\n");
    return HTTP_CHUNK_PARTS;
}
