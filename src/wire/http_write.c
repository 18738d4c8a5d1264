#include "wire/http_write.h"

#include <errno.h>

#include "base/num.h"

#include "base/macros.h"
#include "wire/http_span.h"

/* All parts or none, with one look at the buffer's room. */
static int append(struct buf *to, const struct slice *parts, size_t n_parts) {
    size_t n = 0, room;
    char *at;

    for (size_t i = 0; i < n_parts; i++)
        n += parts[i].n;
    if (n > buf_room(to))
        return -ENOBUFS;
    at = buf_reserve(to, n, &room);
    if (!at)
        return -errno;
    for (size_t i = 0; i < n_parts; i++) {
        memcpy(at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    buf_commit(to, n);
    return 0;
}

int http_write_request_line(struct buf *to, struct slice method, struct slice target) {
    const struct slice parts[] = {method, SLICE(" "), target, SLICE(" HTTP/1.1\r\n")};

    if (!http_is_token(method) || target.n == 0 || http_span_target(target) < target.n)
        return -EINVAL;
    return append(to, parts, ARRAY_LEN(parts));
}

int http_write_status_line(struct buf *to, unsigned status) {
    const char digits[] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    const struct slice parts[] = {SLICE("HTTP/1.1 "), slice_of(digits, sizeof(digits)), SLICE(" "),
                                  slice_of_string(http_status_phrase(status)), SLICE("\r\n")};

    if (status < 100 || status > 599)
        return -EINVAL;
    return append(to, parts, ARRAY_LEN(parts));
}

static char *put(char *at, struct slice bytes) {
    memcpy(at, bytes.p, bytes.n);
    return at + bytes.n;
}

/* What most of a head is: all of it is checked, then written with one look at the buffer's room. */
int http_write_fields(struct buf *to, const struct http_field *fields, size_t n) {
    size_t total = 0, room;
    char *at;

    for (size_t i = 0; i < n; i++) {
        if (!http_is_token(fields[i].name) || !http_is_field_value(fields[i].value))
            return -EINVAL;
        total += fields[i].name.n + fields[i].value.n + 4;
    }
    if (n == 0)
        return 0;
    if (total > buf_room(to))
        return -ENOBUFS;
    at = buf_reserve(to, total, &room);
    if (!at)
        return -errno;
    for (size_t i = 0; i < n; i++) {
        at = put(at, fields[i].name);
        at = put(at, SLICE(": "));
        at = put(at, fields[i].value);
        at = put(at, SLICE("\r\n"));
    }
    buf_commit(to, total);
    return 0;
}

int http_write_field(struct buf *to, struct slice name, struct slice value) {
    return http_write_fields(to, &(struct http_field){name, value}, 1);
}

int http_write_field_number(struct buf *to, struct slice name, uint64_t value) {
    char digits[NUM_DIGITS];

    return http_write_field(to, name, num_format(value, digits));
}

int http_write_head_end(struct buf *to) {
    return buf_append(to, SLICE("\r\n"));
}
