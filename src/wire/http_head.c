#include "wire/http_head.h"

#include "base/weaken.h"
#include "wire/http_char.h"

#define VERSION_LENGTH 8 /* HTTP/1.1 */

/* No acceptable request line is longer, its CR included. */
#define LIMIT_REQUEST_LINE (LIMIT_METHOD + 1 + LIMIT_TARGET + 1 + VERSION_LENGTH + 1)

/* Takes the front line off `*rest`. A line ends with CR LF and with nothing else (§2.2). */
static enum http_fault take_line(struct slice *rest, struct slice *ret_line) {
    size_t at = slice_index(*rest, '\n');

    if (at == rest->n || at == 0 || rest->p[at - 1] != '\r')
        return HTTP_BAD_LINE_END;
    *ret_line = slice_first(*rest, at - 1);
    *rest = slice_from(*rest, at + 1);
    return HTTP_OK;
}

/* `HTTP/1.d` in exactly these letters (§2.3). Any 1.d is 1.1 to us, but for 1.0. */
static enum http_fault parse_version(struct slice text, unsigned *ret_minor) {
    if (text.n != VERSION_LENGTH || !slice_starts_with(text, SLICE("HTTP/")) || text.p[6] != '.')
        return HTTP_BAD_VERSION;
    if (text.p[5] < '0' || text.p[5] > '9' || text.p[7] < '0' || text.p[7] > '9')
        return HTTP_BAD_VERSION;
    if (text.p[5] == '0')
        return HTTP_BAD_VERSION;
    if (text.p[5] != '1')
        return HTTP_UNSUPPORTED_VERSION;
    *ret_minor = text.p[7] == '0' ? 0 : 1;
    return HTTP_OK;
}

struct request_line {
    struct slice method, target;
    unsigned minor;
};

/* Who speaks another protocol is known by his first byte. */
static enum http_fault blame_start(struct slice text) {
    char first = text.n > 0 ? text.p[0] : '\0';

    if (first == 0x16)
        return HTTP_IS_TLS;
    return first == 0x04 || first == 0x05 ? HTTP_IS_SOCKS : HTTP_BAD_START;
}

/* method SP request-target SP HTTP-version (§3). What kind of target it is, http_target_parse tells. */
static enum http_fault parse_request_line(struct slice line, struct request_line *ret) {
    struct slice rest, version;
    enum http_fault fault;
    size_t n;

    n = http_char_span(line, HTTP_CHAR_TOKEN);
    if (n > LIMIT_METHOD)
        return HTTP_LONG_METHOD;
    if (n == 0)
        return blame_start(line);
    if (n == line.n || http_char_is_blank(line.p[n]))
        rest = slice_from(line, n);
    else
        return HTTP_BAD_METHOD;
    if (!slice_starts_with(rest, SLICE(" ")))
        return HTTP_BAD_REQUEST_LINE;
    ret->method = slice_first(line, n);

    rest = slice_from(rest, 1);
    n = http_char_span(rest, HTTP_CHAR_TARGET);
    if (n > LIMIT_TARGET)
        return HTTP_LONG_TARGET;
    if (n == 0 || n == rest.n || rest.p[n] == '\t')
        return HTTP_BAD_REQUEST_LINE;
    if (rest.p[n] != ' ')
        return HTTP_BAD_TARGET;
    ret->target = slice_first(rest, n);

    version = slice_from(rest, n + 1);
    if (slice_has(version, ' ') || slice_has(version, '\t'))
        return HTTP_BAD_REQUEST_LINE;
    fault = parse_version(version, &ret->minor);
    /* The preface of HTTP/2 is no request of a later version but another protocol (RFC 9113 §3.4). */
    if (fault == HTTP_UNSUPPORTED_VERSION && slice_equals(ret->method, SLICE("PRI")))
        return HTTP_IS_HTTP2;
    return fault;
}

struct status_line {
    unsigned status, minor;
    struct slice reason;
};

/*
 * HTTP-version SP status-code SP [ reason-phrase ] (§4). One thing is tolerated: many servers leave out the second SP
 * together with the reason, and nothing can be read in two ways without it.
 */
static enum http_fault parse_status_line(struct slice line, struct status_line *ret) {
    unsigned status = 0;
    struct slice rest;

    if (parse_version(slice_first(line, VERSION_LENGTH), &ret->minor) != HTTP_OK)
        return HTTP_BAD_STATUS_LINE;
    rest = slice_from(line, VERSION_LENGTH);
    if (rest.n < 4 || rest.p[0] != ' ')
        return HTTP_BAD_STATUS_LINE;
    for (size_t i = 1; i < 4; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return HTTP_BAD_STATUS_LINE;
        status = status * 10 + (unsigned)(rest.p[i] - '0');
    }
    if (status < 100 || status > 599)
        return HTTP_BAD_STATUS_LINE;
    rest = slice_from(rest, 4);
    if (rest.n > 0 && rest.p[0] != ' ')
        return HTTP_BAD_STATUS_LINE;
    ret->status = status;
    ret->reason = slice_from(rest, 1);
    return http_char_field_span(ret->reason) == ret->reason.n ? HTTP_OK : HTTP_BAD_STATUS_LINE;
}

/* field-name ":" OWS field-value OWS (§5) */
static enum http_fault parse_field(struct slice line, struct http_field *ret) {
    size_t n = http_char_span(line, HTTP_CHAR_TOKEN);
    struct slice value;

    if (n == 0 || n == line.n || line.p[n] != ':')
        return HTTP_BAD_FIELD;
    ret->name = slice_first(line, n);
    value = slice_from(line, n + 1);
    n = http_char_field_span(value);
    if (n < value.n)
        return value.p[n] == '\r' ? HTTP_BAD_LINE_END : HTTP_BAD_FIELD;
    ret->value = slice_trim(value);
    return HTTP_OK;
}

/* The field lines and the empty line behind them: all of `rest`. */
static enum http_fault parse_fields(struct slice rest, struct http_fields *ret) {
    ret->n = 0;
    for (;;) {
        struct slice line = SLICE_EMPTY;
        enum http_fault fault = take_line(&rest, &line);

        if (fault != HTTP_OK)
            return fault;
        if (line.n == 0)
            return rest.n == 0 ? HTTP_OK : HTTP_BAD_LINE_END;
        if (http_char_is_blank(line.p[0]))
            return ret->n == 0 ? HTTP_BAD_FIELD : HTTP_OBSOLETE_FOLD;
        if (ret->n == LIMIT_FIELDS)
            return HTTP_LARGE_HEAD;
        fault = parse_field(line, &ret->at[ret->n]);
        if (fault != HTTP_OK)
            return fault;
        ret->n++;
    }
}

/* Where the request line starts: behind one empty line at most (§2.2). */
static size_t request_start(struct slice head) {
    return slice_starts_with(head, SLICE("\r\n")) ? 2 : 0;
}

enum http_fault http_request_parse(struct slice head, struct http_request *ret) {
    struct slice rest = slice_from(head, request_start(head));
    struct request_line parts;
    enum http_fault fault;
    struct slice line;

    fault = take_line(&rest, &line);
    if (fault == HTTP_OK)
        fault = parse_request_line(line, &parts);
    if (fault == HTTP_OK)
        fault = parse_fields(rest, &ret->fields);
    if (fault != HTTP_OK)
        return fault;
    ret->method = parts.method;
    ret->target = parts.target;
    ret->minor = parts.minor;
    /*
     * it would echo what we put into the request (S 9.3.8); some servers know it by another name, or in other letters
     */
    if (slice_equals_nocase(ret->method, SLICE("TRACE")) || slice_equals_nocase(ret->method, SLICE("TRACK")))
        return HTTP_METHOD_NOT_ALLOWED;
    return HTTP_OK;
}

enum http_fault http_response_parse(struct slice head, struct http_response *ret) {
    struct slice rest = head, line;
    struct status_line parts;
    enum http_fault fault;

    fault = take_line(&rest, &line);
    if (fault == HTTP_OK)
        fault = parse_status_line(line, &parts);
    if (fault == HTTP_OK)
        fault = parse_fields(rest, &ret->fields);
    if (fault != HTTP_OK)
        return fault;
    ret->status = parts.status;
    ret->minor = parts.minor;
    ret->reason = parts.reason;
    return HTTP_OK;
}

/*
 * Whether `text`, the front of a request line that may end anywhere, can still become a good one. It looks at 33 bytes,
 * and at a target only when more than its limit has come: cheap enough to ask on every read.
 */
static enum http_fault scan_request_line(struct slice text) {
    size_t n = http_char_span(slice_first(text, LIMIT_METHOD + 1), HTTP_CHAR_TOKEN);
    struct slice target;

    if (n > LIMIT_METHOD)
        return HTTP_LONG_METHOD;
    if (n == text.n)
        return HTTP_OK;
    if (n == 0)
        return blame_start(text);
    if (text.p[n] != ' ')
        return http_char_is_blank(text.p[n]) || text.p[n] == '\r' ? HTTP_BAD_REQUEST_LINE : HTTP_BAD_METHOD;
    target = slice_first(slice_from(text, n + 1), LIMIT_TARGET + 1);
    if (target.n > LIMIT_TARGET && http_char_span(target, HTTP_CHAR_TARGET) > LIMIT_TARGET)
        return HTTP_LONG_TARGET;
    return HTTP_OK;
}

/* The same of a message of which no line is complete yet. */
static enum http_fault scan_start(struct http_head_scan *scan, enum http_message_kind kind, struct slice in) {
    if (kind == HTTP_RESPONSE)
        return slice_starts_with(SLICE("HTTP/1."), slice_first(in, 7)) ? HTTP_OK : HTTP_BAD_STATUS_LINE;
    if (slice_equals(in, SLICE("\r")))
        return HTTP_OK;
    if (scan->line_start == 0)
        scan->scanned = scan->line_start = request_start(in);
    return scan_request_line(slice_from(in, scan->line_start));
}

/* The first line, once it is complete: who sent a bad one may be waiting for the answer, as HTTP/0.9 does. */
static enum http_fault scan_first_line(enum http_message_kind kind, struct slice in) {
    struct slice rest = kind == HTTP_REQUEST ? slice_from(in, request_start(in)) : in;
    struct slice line;
    enum http_fault fault = take_line(&rest, &line);

    if (fault != HTTP_OK)
        return fault;
    return kind == HTTP_REQUEST ? parse_request_line(line, &(struct request_line){0})
                                : parse_status_line(line, &(struct status_line){0});
}

/* Limits of the line that starts at scan->line_start and has `n` bytes so far, its CR included. */
static enum http_fault scan_line_limits(const struct http_head_scan *scan, enum http_message_kind kind, size_t n) {
    if (scan->lines == 0 && kind == HTTP_REQUEST)
        return n > LIMIT_REQUEST_LINE ? HTTP_BAD_REQUEST_LINE : HTTP_OK;
    return n > LIMIT_FIELD_LINE + 1 || (n > 1 && scan->lines > LIMIT_FIELDS) ? HTTP_LARGE_HEAD : HTTP_OK;
}

/* Goes over the complete lines. The length of the head, 0 when it is not there yet, -1 with `*ret_fault`. */
static ptrdiff_t scan_lines(struct http_head_scan *scan, enum http_message_kind kind, struct slice in,
                            enum http_fault *ret_fault) {
    while (scan->scanned < in.n) {
        size_t at = scan->scanned + slice_index(slice_from(in, scan->scanned), '\n');
        size_t n = at - scan->line_start;
        enum http_fault fault = scan_line_limits(scan, kind, n);

        scan->scanned = at;
        if (fault == HTTP_OK && at < in.n && (n == 0 || in.p[at - 1] != '\r'))
            fault = HTTP_BAD_LINE_END;
        if (fault != HTTP_OK) {
            *ret_fault = fault;
            return -1;
        }
        if (at == in.n)
            break;
        scan->scanned = scan->line_start = at + 1;
        if (n == 1)
            return (ptrdiff_t)scan->scanned;
        scan->lines++;
    }
    return 0;
}

ptrdiff_t http_head_scan(struct http_head_scan *scan, enum http_message_kind kind, struct slice in,
                         enum http_fault *ret_fault) {
    bool is_start = scan->lines == 0;
    enum http_fault fault = is_start ? scan_start(scan, kind, in) : HTTP_OK;

    if (fault == HTTP_OK) {
        ptrdiff_t n = scan_lines(scan, kind, slice_first(in, LIMIT_HEAD), ret_fault);
        if (n != 0)
            return n;
        if (is_start && scan->lines > 0)
            fault = scan_first_line(kind, in);
    }
    if (fault == HTTP_OK && in.n >= LIMIT_HEAD && !WEAKENED(HEAD))
        fault = HTTP_LARGE_HEAD;
    if (fault == HTTP_OK)
        return 0;
    *ret_fault = fault;
    return -1;
}

const struct http_field *http_fields_find(const struct http_fields *fields, struct slice name, size_t from,
                                          size_t *ret_index) {
    for (size_t i = from; i < fields->n; i++) {
        const struct http_field *field = &fields->at[i];

        if (field->name.n == name.n && slice_equals_nocase(field->name, name)) {
            if (ret_index)
                *ret_index = i;
            return field;
        }
    }
    return NULL;
}

size_t http_fields_remove(struct http_fields *fields, struct slice name) {
    size_t kept = 0, removed;

    for (size_t i = 0; i < fields->n; i++)
        if (!slice_equals_nocase(fields->at[i].name, name))
            fields->at[kept++] = fields->at[i];
    removed = fields->n - kept;
    fields->n = kept;
    return removed;
}

bool http_is_token(struct slice text) {
    return text.n > 0 && http_char_span(text, HTTP_CHAR_TOKEN) == text.n;
}

bool http_is_field_value(struct slice text) {
    if (text.n > 0 && (http_char_is_blank(text.p[0]) || http_char_is_blank(text.p[text.n - 1])))
        return false;
    return http_char_field_span(text) == text.n;
}
