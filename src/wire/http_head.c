#include "wire/http_head.h"

#include "base/macros.h"
#include "base/weaken.h"
#include "wire/http_span.h"

#define VERSION_LENGTH 8 /* HTTP/1.1 */

/* No acceptable request line is longer, its CR included. */
#define LIMIT_REQUEST_LINE (LIMIT_METHOD + 1 + LIMIT_TARGET + 1 + VERSION_LENGTH + 1)

/* Takes the front line off `*rest`. A line ends with CR LF and with nothing else (§2.2). */
static enum http_fault take_line(struct slice *rest, struct slice *ret_line) {
    size_t at = slice_index(*rest, '\n');

    if (at == rest->n || at == 0 || rest->p[at - 1] != '\r')
        return HTTP_BAD_LINE_END;
    *ret_line = slice_of(rest->p, at - 1);
    *rest = slice_behind(*rest, at + 1);
    return HTTP_OK;
}

/* `HTTP/1.d` in exactly these letters (§2.3). Any 1.d is 1.1 to us, but for 1.0. */
static inline enum http_fault parse_version(struct slice text, unsigned *ret_minor) {
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

/* Who speaks another protocol is known by his first byte. */
static enum http_fault blame_start(struct slice text) {
    char first = text.n > 0 ? text.p[0] : '\0';

    if (first == 0x16)
        return HTTP_IS_TLS;
    return first == 0x04 || first == 0x05 ? HTTP_IS_SOCKS : HTTP_BAD_START;
}

/* What is wrong with a method that `rest` stands behind, and no SP. */
static enum http_fault blame_method(struct slice rest) {
    bool is_between = rest.n == 0 || ascii_is_blank(rest.p[0]) || rest.p[0] == '\r';

    return is_between ? HTTP_BAD_REQUEST_LINE : HTTP_BAD_METHOD;
}

/* method SP request-target SP HTTP-version (§3). What kind of target it is, http_target_parse tells. */
static enum http_fault parse_request_line(struct slice line, struct http_request *ret) {
    struct slice rest, version;
    enum http_fault fault;
    size_t n;

    n = http_char_span(line, HTTP_CHAR_TOKEN);
    if (n > LIMIT_METHOD)
        return HTTP_LONG_METHOD;
    if (n == 0)
        return blame_start(line);
    if (n == line.n || line.p[n] != ' ')
        return blame_method(slice_from(line, n));
    ret->method = slice_of(line.p, n);

    rest = slice_behind(line, n + 1);
    n = http_span_target(rest);
    if (n > LIMIT_TARGET)
        return HTTP_LONG_TARGET;
    if (n == 0 || n == rest.n || rest.p[n] == '\t')
        return HTTP_BAD_REQUEST_LINE;
    if (rest.p[n] != ' ')
        return HTTP_BAD_TARGET;
    ret->target = slice_first(rest, n);

    version = slice_from(rest, n + 1);
    fault = parse_version(version, &ret->minor);
    if (fault == HTTP_BAD_VERSION && (slice_has(version, ' ') || slice_has(version, '\t')))
        return HTTP_BAD_REQUEST_LINE;
    /* The preface of HTTP/2 is no request of a later version but another protocol (RFC 9113 §3.4). */
    if (fault == HTTP_UNSUPPORTED_VERSION && slice_equals(ret->method, SLICE("PRI")))
        return HTTP_IS_HTTP2;
    return fault;
}

/*
 * HTTP-version SP status-code SP [ reason-phrase ] (§4). One thing is tolerated: many servers leave out the second SP
 * together with the reason, and nothing can be read in two ways without it.
 */
static enum http_fault parse_status_line(struct slice line, struct http_response *ret) {
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
    return WEAKENED(SPLIT) || http_span_is_field(ret->reason) ? HTTP_OK : HTTP_BAD_STATUS_LINE;
}

/* What is wrong with the front line of `rest`: one that does not end as it must is that, whatever stands in it. */
static enum http_fault blame_line(struct slice rest, enum http_fault fault) {
    struct slice line;

    return take_line(&rest, &line) == HTTP_OK ? fault : HTTP_BAD_LINE_END;
}

/* The same of a line that does not begin as a field does, behind `n` fields. */
static enum http_fault blame_name(struct slice rest, size_t n) {
    if (rest.n > 0 && ascii_is_blank(rest.p[0]))
        return blame_line(rest, n == 0 ? HTTP_BAD_FIELD : HTTP_OBSOLETE_FOLD);
    return blame_line(rest, n == LIMIT_FIELDS ? HTTP_LARGE_HEAD : HTTP_BAD_FIELD);
}

/* The same of a value that ends with another byte than CR, or with CR alone. */
static enum http_fault blame_value(struct slice stop) {
    return blame_line(stop, slice_starts_with(stop, SLICE("\r")) ? HTTP_BAD_LINE_END : HTTP_BAD_FIELD);
}

/* How many bytes at the front of `rest` are of a value, which CR LF ends. */
static size_t value_length(struct slice rest) {
    struct slice line = SLICE_EMPTY;

    if (!WEAKENED(SPLIT))
        return http_span_field(rest);
    (void)take_line(&rest, &line);
    return line.n;
}

/* Takes field-name ":" OWS field-value OWS CR LF (§5) off the front of `*rest`. A known name is a token. */
static enum http_fault take_field(struct slice *rest, struct http_fields *to) {
    size_t n = http_span_colon(*rest);
    struct slice name = slice_of(rest->p, n), value;
    enum http_name known = http_name_of(name);

    if (n == rest->n || (known == HTTP_NAME_ODD && !http_span_is_token(name)))
        return blame_name(*rest, to->n);
    value = slice_behind(*rest, n + 1);
    n = value_length(value);
    *rest = slice_behind(value, n);
    if (!slice_starts_with(*rest, SLICE("\r\n")))
        return blame_value(*rest);
    *rest = slice_behind(*rest, 2);
    http_fields_add(to, name, slice_trim(slice_of(value.p, n)), known);
    return HTTP_OK;
}

/* Takes the field lines and the empty line behind them off the front of `*rest`. */
static enum http_fault take_fields(struct slice *rest, struct http_fields *ret) {
    enum http_fault fault = HTTP_OK;
    struct slice left = *rest;

    http_fields_clear(ret);
    while (fault == HTTP_OK && !slice_starts_with(left, SLICE("\r\n")))
        fault = ret->n < LIMIT_FIELDS ? take_field(&left, ret) : blame_name(left, ret->n);
    *rest = slice_from(left, 2);
    return fault;
}

/* Where the request line starts: behind one empty line at most (§2.2). */
static size_t request_start(struct slice head) {
    return slice_starts_with(head, SLICE("\r\n")) ? 2 : 0;
}

/* Takes a request's head off the front of `*rest`. */
static enum http_fault take_request(struct slice *rest, struct http_request *ret) {
    enum http_fault fault;
    struct slice line;

    *rest = slice_from(*rest, request_start(*rest));
    fault = take_line(rest, &line);
    if (fault == HTTP_OK)
        fault = parse_request_line(line, ret);
    return fault == HTTP_OK ? take_fields(rest, &ret->fields) : fault;
}

/* It would echo what we put into the request (S 9.3.8); some servers know it by another name, or in other letters. */
static enum http_fault refuse_trace(struct slice method) {
    bool is_trace = slice_equals_nocase(method, SLICE("TRACE")) || slice_equals_nocase(method, SLICE("TRACK"));

    return is_trace ? HTTP_METHOD_NOT_ALLOWED : HTTP_OK;
}

enum http_fault http_request_parse(struct slice head, struct http_request *ret) {
    struct slice rest = head;
    enum http_fault fault = take_request(&rest, ret);

    if (fault == HTTP_OK && rest.n > 0)
        return HTTP_BAD_LINE_END;
    return fault == HTTP_OK ? refuse_trace(ret->method) : fault;
}

/* As take_request. */
static enum http_fault take_response(struct slice *rest, struct http_response *ret) {
    struct slice line;
    enum http_fault fault = take_line(rest, &line);

    if (fault == HTTP_OK)
        fault = parse_status_line(line, ret);
    return fault == HTTP_OK ? take_fields(rest, &ret->fields) : fault;
}

enum http_fault http_response_parse(struct slice head, struct http_response *ret) {
    struct slice rest = head;
    enum http_fault fault = take_response(&rest, ret);

    return fault == HTTP_OK && rest.n > 0 ? HTTP_BAD_LINE_END : fault;
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
        return blame_method(slice_from(text, n));
    target = slice_first(slice_from(text, n + 1), LIMIT_TARGET + 1);
    if (target.n > LIMIT_TARGET && http_span_target(target) > LIMIT_TARGET)
        return HTTP_LONG_TARGET;
    return HTTP_OK;
}

/* The same of a message of which no line is complete yet. */
static enum http_fault scan_start(enum http_message_kind kind, struct slice in) {
    if (kind == HTTP_RESPONSE)
        return slice_starts_with(SLICE("HTTP/1."), slice_first(in, 7)) ? HTTP_OK : HTTP_BAD_STATUS_LINE;
    if (slice_equals(in, SLICE("\r")))
        return HTTP_OK;
    return scan_request_line(slice_from(in, request_start(in)));
}

/* The first line, once it is complete: who sent a bad one may be waiting for the answer, as HTTP/0.9 does. */
static enum http_fault scan_first_line(enum http_message_kind kind, struct slice in) {
    struct slice rest = kind == HTTP_REQUEST ? slice_from(in, request_start(in)) : in;
    _uninitialised_ struct http_response response;
    _uninitialised_ struct http_request request;
    struct slice line;
    enum http_fault fault = take_line(&rest, &line);

    if (fault != HTTP_OK)
        return fault;
    return kind == HTTP_REQUEST ? parse_request_line(line, &request) : parse_status_line(line, &response);
}

/* Limits of a line that has `n` bytes so far, its CR included, behind `lines` others. */
static enum http_fault line_limits(enum http_message_kind kind, size_t lines, size_t n) {
    if (n <= LIMIT_REQUEST_LINE && lines <= LIMIT_FIELDS)
        return HTTP_OK;
    if (lines == 0 && kind == HTTP_REQUEST)
        return HTTP_BAD_REQUEST_LINE;
    return n > LIMIT_FIELD_LINE + 1 || (n > 1 && lines > LIMIT_FIELDS) ? HTTP_LARGE_HEAD : HTTP_OK;
}

/* Goes over the lines, the last of which may not be complete. The length of the head; 0, perhaps with a fault. */
static ptrdiff_t scan_lines(struct http_head_scan *scan, enum http_message_kind kind, struct slice in,
                            enum http_fault *ret_fault) {
    size_t start = scan->line_start, lines = scan->lines;

    for (size_t at = scan->scanned; at < in.n; at += HTTP_SPAN_BLOCK) {
        for (uint64_t ends = http_span_line_ends(in, at); ends != 0; ends &= ends - 1) {
            size_t end = at + (unsigned)__builtin_ctzll(ends), n = end - start;
            enum http_fault fault = line_limits(kind, lines, n);

            if (fault == HTTP_OK && (n == 0 || in.p[end - 1] != '\r'))
                fault = HTTP_BAD_LINE_END;
            if (fault != HTTP_OK) {
                *ret_fault = fault;
                return 0;
            }
            start = end + 1;
            if (n == 1)
                return (ptrdiff_t)start;
            lines++;
        }
    }
    *scan = (struct http_head_scan){.scanned = in.n, .line_start = start, .lines = lines};
    *ret_fault = line_limits(kind, lines, in.n - start);
    return 0;
}

ptrdiff_t http_head_scan(struct http_head_scan *scan, enum http_message_kind kind, struct slice in,
                         enum http_fault *ret_fault) {
    bool is_start = scan->lines == 0;
    enum http_fault fault = HTTP_OK, start_fault = HTTP_OK;
    ptrdiff_t n;

    if (is_start && kind == HTTP_REQUEST && scan->line_start == 0)
        scan->scanned = scan->line_start = request_start(in);
    n = scan_lines(scan, kind, slice_first(in, LIMIT_HEAD), &fault);
    if (n > 0)
        return n; /* what is wrong with its first line, the parser will tell */
    if (is_start)
        start_fault = scan_start(kind, in);
    if (start_fault != HTTP_OK)
        fault = start_fault;
    if (fault == HTTP_OK && is_start && scan->lines > 0)
        fault = scan_first_line(kind, in);
    if (fault == HTTP_OK && in.n >= LIMIT_HEAD && !WEAKENED(HEAD))
        fault = HTTP_LARGE_HEAD;
    if (fault == HTTP_OK)
        return 0;
    *ret_fault = fault;
    return -1;
}

/*
 * Whether the head that `rest` stands behind is so short that none of its lines can be too long. Then http_head_scan,
 * which refuses nothing else that the parser takes, would have measured the same.
 */
static bool is_short(struct slice in, struct slice rest) {
    return in.n - rest.n <= LIMIT_FIELD_LINE;
}

static ptrdiff_t tell(enum http_fault fault, ptrdiff_t n, enum http_fault *ret_fault) {
    if (fault == HTTP_OK)
        return n;
    *ret_fault = fault;
    return -1;
}

ptrdiff_t http_request_read(struct http_head_scan *scan, struct slice in, struct http_request *ret,
                            enum http_fault *ret_fault) {
    struct slice rest = in;
    ptrdiff_t n;

    if (scan->scanned == 0 && take_request(&rest, ret) == HTTP_OK && is_short(in, rest))
        return tell(refuse_trace(ret->method), (ptrdiff_t)(in.n - rest.n), ret_fault);
    n = http_head_scan(scan, HTTP_REQUEST, in, ret_fault);
    return n > 0 ? tell(http_request_parse(slice_first(in, (size_t)n), ret), n, ret_fault) : n;
}

ptrdiff_t http_response_read(struct http_head_scan *scan, struct slice in, struct http_response *ret,
                             enum http_fault *ret_fault) {
    struct slice rest = in;
    ptrdiff_t n;

    if (scan->scanned == 0 && take_response(&rest, ret) == HTTP_OK && is_short(in, rest))
        return (ptrdiff_t)(in.n - rest.n);
    n = http_head_scan(scan, HTTP_RESPONSE, in, ret_fault);
    return n > 0 ? tell(http_response_parse(slice_first(in, (size_t)n), ret), n, ret_fault) : n;
}

bool http_is_token(struct slice text) {
    return http_span_is_token(text);
}

bool http_is_field_value(struct slice text) {
    if (text.n > 0 && (ascii_is_blank(text.p[0]) || ascii_is_blank(text.p[text.n - 1])))
        return false;
    return WEAKENED(SPLIT) || http_span_is_field(text);
}
