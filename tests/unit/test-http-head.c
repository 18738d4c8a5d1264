#include "wire/http_head.h"

#include <stdio.h>

#include "unit.h"

#define GET "GET / HTTP/1.1\r\n"
#define OK "HTTP/1.1 200 OK\r\n"

struct row {
    struct slice text;
    enum http_fault fault;
};

/* Feeds `text` in steps of `step` bytes, each time from fresh memory. What http_head_scan says in the end. */
static ptrdiff_t scan(enum http_message_kind kind, struct slice text, size_t step, enum http_fault *ret_fault) {
    struct http_head_scan progress = {0};

    for (size_t n = MIN_OF(step, text.n);; n = MIN_OF(n + step, text.n)) {
        _cleanup_slice_ struct slice in = exact_copy(slice_first(text, n));
        ptrdiff_t r = http_head_scan(&progress, kind, in, ret_fault);

        if (r != 0 || n == text.n)
            return r;
    }
}

static struct http_request request;
static struct http_response response;

/* Scans and parses as the relay does. `*held` keeps the bytes that the parsed slices look into. */
static enum http_fault read_head(enum http_message_kind kind, struct slice text, size_t step, struct slice *held) {
    enum http_fault fault = HTTP_OK;
    ptrdiff_t n = scan(kind, text, step, &fault);

    if (n < 0)
        return fault;
    assert_row(text, n > 0);
    *held = exact_copy(slice_first(text, (size_t)n));
    return kind == HTTP_REQUEST ? http_request_parse(*held, &request) : http_response_parse(*held, &response);
}

/* Each row twice: in one piece, and byte by byte. */
static void check(enum http_message_kind kind, const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t pass = 0; pass < 2; pass++) {
            _cleanup_slice_ struct slice held = {0};
            enum http_fault fault = read_head(kind, rows[i].text, pass == 0 ? rows[i].text.n : 1, &held);

            if (fault != rows[i].fault)
                print_error("\"%s\", not \"%s\"\n", http_fault_reason(fault), http_fault_reason(rows[i].fault));
            assert_row(rows[i].text, fault == rows[i].fault);
        }
}

static void request_lines(void **state) {
    static const struct row rows[] = {
        {SLICE(GET "\r\n"), HTTP_OK},
        {SLICE("\r\n" GET "\r\n"), HTTP_OK},
        {SLICE("\r\n\r\n" GET "\r\n"), HTTP_BAD_START},
        {SLICE("\n" GET "\r\n"), HTTP_BAD_START},
        {SLICE("\r" GET "\r\n"), HTTP_BAD_START},
        {SLICE(" " GET "\r\n"), HTTP_BAD_START},
        {SLICE("\t" GET "\r\n"), HTTP_BAD_START},
        {SLICE("\0" GET "\r\n"), HTTP_BAD_START},
        {SLICE("\x16\x03\x01\x02\x00\x01"), HTTP_IS_TLS},
        {SLICE("\r\n\x16\x03\x01\r\n\r\n"), HTTP_IS_TLS},
        {SLICE("\x04\x01\x01\xbb\x7f\0\0\x01\0"), HTTP_IS_SOCKS},
        {SLICE("\x05\x01\0"), HTTP_IS_SOCKS},
        {SLICE("\x05\r\n\r\n"), HTTP_IS_SOCKS},
        {SLICE("\x06\x01\0"), HTTP_BAD_START},
        {SLICE("\r\n " GET "\r\n"), HTTP_BAD_START},

        {SLICE("GET  / HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET /  HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET\t/ HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET /\tHTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET / HTTP/1.1 \r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET / HTTP/1.1\t\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET / x HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET \r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET  HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},

        {SLICE("G@T / HTTP/1.1\r\n\r\n"), HTTP_BAD_METHOD},
        {SLICE("GET: / HTTP/1.1\r\n\r\n"), HTTP_BAD_METHOD},
        {SLICE("GET\0 / HTTP/1.1\r\n\r\n"), HTTP_BAD_METHOD},
        {SLICE("G\xC9T / HTTP/1.1\r\n\r\n"), HTTP_BAD_METHOD},
        {SLICE("GET\n\r\n"), HTTP_BAD_METHOD},
        {SLICE("get / HTTP/1.1\r\n\r\n"), HTTP_OK},
        {SLICE("!#$%&'*+-.^_`|~09 / HTTP/1.1\r\n\r\n"), HTTP_OK},
        {SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n\r\n"), HTTP_OK},
        {SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n"), HTTP_LONG_METHOD},
        {SLICE("TRACE / HTTP/1.1\r\n\r\n"), HTTP_METHOD_NOT_ALLOWED},
        {SLICE("TRACE / HTTP/1.1\r\nbad\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE("trace / HTTP/1.1\r\n\r\n"), HTTP_METHOD_NOT_ALLOWED},
        {SLICE("TRACK / HTTP/1.1\r\n\r\n"), HTTP_METHOD_NOT_ALLOWED},

        {SLICE("GET /# HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},
        {SLICE("GET /\\ HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},
        {SLICE("GET /\x01 HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},
        {SLICE("GET /\0 HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},
        {SLICE("GET /\x7F HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},
        {SLICE("GET /\xC3\xA9 HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},
        {SLICE("GET /\r HTTP/1.1\r\n\r\n"), HTTP_BAD_TARGET},

        {SLICE("GET /\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET / \r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/0.9\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/1\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/1.\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/01.1\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/1.10\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/1,1\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/1.x\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/x.1\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / http/1.1\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTPS1.1\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / ICY/1.10\r\n\r\n"), HTTP_BAD_VERSION},
        {SLICE("GET / HTTP/2.0\r\n\r\n"), HTTP_UNSUPPORTED_VERSION},
        {SLICE("GET / HTTP/9.9\r\n\r\n"), HTTP_UNSUPPORTED_VERSION},
        {SLICE("GET / HTTP/1.9\r\n\r\n"), HTTP_OK},
        {SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_IS_HTTP2},
        {SLICE("PRI * HTTP/1.1\r\n\r\n"), HTTP_OK},
    };

    (void)state;
    check(HTTP_REQUEST, rows, ARRAY_LEN(rows));
}

static void field_lines(void **state) {
    static const struct row rows[] = {
        {SLICE(GET "Host: a\r\n\r\n"), HTTP_OK},
        {SLICE(GET "Host:a\r\n\r\n"), HTTP_OK},
        {SLICE(GET "X:\r\n\r\n"), HTTP_OK},
        {SLICE(GET "X: \t \r\n\r\n"), HTTP_OK},
        {SLICE(GET "X: a\tb\r\n\r\n"), HTTP_OK},
        {SLICE(GET "X: \x80\xFF\r\n\r\n"), HTTP_OK},
        {SLICE(GET "X_y: a\r\n\r\n"), HTTP_OK},

        {SLICE(GET "X: a\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: a\r\n\n"), HTTP_BAD_LINE_END},
        {SLICE("GET / HTTP/1.1\nX: a\r\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: a\rb\r\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: a\r\r\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: a\r\n\r\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X: a\0b\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X: a\x01\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X: \x1B[2J\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X: a\x7F\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X: \v\r\n\r\n"), HTTP_BAD_FIELD},

        {SLICE(GET "X: a\r\n b\r\n\r\n"), HTTP_OBSOLETE_FOLD},
        {SLICE(GET "X: a\r\n\tb\r\n\r\n"), HTTP_OBSOLETE_FOLD},
        {SLICE(GET "X: a\r\n \r\n\r\n"), HTTP_OBSOLETE_FOLD},
        {SLICE(GET " X: a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "\tX: a\r\n\r\n"), HTTP_BAD_FIELD},

        {SLICE(GET "X : a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X\t: a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET ": a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X y: a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X(y): a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "X\0: a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "\xC3\xA9: a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(GET "\"X\": a\r\n\r\n"), HTTP_BAD_FIELD},
    };

    (void)state;
    check(HTTP_REQUEST, rows, ARRAY_LEN(rows));
}

static void status_lines(void **state) {
    static const struct row rows[] = {
        {SLICE(OK "\r\n"), HTTP_OK},
        {SLICE("HTTP/1.0 200 OK\r\n\r\n"), HTTP_OK},
        {SLICE("HTTP/1.1 200 \r\n\r\n"), HTTP_OK},
        {SLICE("HTTP/1.1 200\r\n\r\n"), HTTP_OK},
        {SLICE("HTTP/1.1 100 \r\n\r\n"), HTTP_OK},
        {SLICE("HTTP/1.1 599 x\r\n\r\n"), HTTP_OK},
        {SLICE("HTTP/1.1 200 \xC3\xA9 d\tx\r\n\r\n"), HTTP_OK},
        {SLICE("HTTP/1.1 099 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 600 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 20 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 2000 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 2x0 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 -20 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 1:0 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 2/0 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1  200 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1\t200 x\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 200\tOK\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 \r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 200 a\x01\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 200 a\0\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.1 200 a\rb\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/2.0 200 OK\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/2 200 OK\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("http/1.1 200 OK\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("HTTP/1.x 200 OK\r\n\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("\r\n" OK "\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE(" " OK "\r\n"), HTTP_BAD_STATUS_LINE},
        {SLICE("<html>"), HTTP_BAD_STATUS_LINE},
        {SLICE("\0"), HTTP_BAD_STATUS_LINE},

        {SLICE(OK "X: a\r\n b\r\n\r\n"), HTTP_OBSOLETE_FOLD},
        {SLICE(OK " X: a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(OK "X : a\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(OK "X\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(OK "X: a\x01\r\n\r\n"), HTTP_BAD_FIELD},
        {SLICE(OK "X: a\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE("HTTP/1.1 200 OK\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(OK "X: a\rb\r\n\r\n"), HTTP_BAD_LINE_END},
    };

    (void)state;
    check(HTTP_RESPONSE, rows, ARRAY_LEN(rows));
}

/* As soon as a head can no longer become good, and not at its end: row by row what one must not wait for. */
static void faults_are_found_early(void **state) {
    static const struct row rows[] = {
        {SLICE(" "), HTTP_BAD_START},
        {SLICE("\r\r"), HTTP_BAD_START},
        {SLICE("\r\n\r"), HTTP_BAD_START},
        {SLICE("\x16"), HTTP_IS_TLS},
        {SLICE("\x05"), HTTP_IS_SOCKS},
        {SLICE("PRI * HTTP/2.0\r\n"), HTTP_IS_HTTP2},
        {SLICE("G@"), HTTP_BAD_METHOD},
        {SLICE("GET\t"), HTTP_BAD_REQUEST_LINE},
        {SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"), HTTP_LONG_METHOD},
        {SLICE("GET /\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET / HTTP/2.0\r\n"), HTTP_UNSUPPORTED_VERSION},
        {SLICE("GET / HTTP/1.1\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: a\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "\n"), HTTP_BAD_LINE_END},
    };

    (void)state;
    check(HTTP_REQUEST, rows, ARRAY_LEN(rows));
    check(HTTP_RESPONSE, &(struct row){SLICE("HTTP/1.1 abc\r\n"), HTTP_BAD_STATUS_LINE}, 1);
    check(HTTP_RESPONSE, &(struct row){SLICE("HTTQ"), HTTP_BAD_STATUS_LINE}, 1);
}

static void incomplete_heads_are_waited_for(void **state) {
    static const struct slice whole = SLICE("\r\n" GET "Host: a\r\n\r\n");
    static const struct slice answer = SLICE(OK "Server: x\r\n\r\n");
    enum http_fault fault = HTTP_OK;

    (void)state;
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(scan(HTTP_REQUEST, slice_first(whole, n), n > 0 ? n : 1, &fault), 0);
    assert_int_equal(scan(HTTP_REQUEST, whole, 1, &fault), whole.n);
    for (size_t n = 0; n < answer.n; n++)
        assert_int_equal(scan(HTTP_RESPONSE, slice_first(answer, n), n > 0 ? n : 1, &fault), 0);
    assert_int_equal(scan(HTTP_RESPONSE, answer, 1, &fault), answer.n);
}

static void what_follows_the_head_is_left(void **state) {
    static const struct slice two = SLICE(GET "\r\n\nnot a head");
    enum http_fault fault = HTTP_OK;

    (void)state;
    assert_int_equal(scan(HTTP_REQUEST, two, two.n, &fault), sizeof(GET) - 1 + 2);
}

static void the_parts_of_a_request(void **state) {
    _cleanup_slice_ struct slice held = {0};
    static const struct slice text = SLICE("\r\nPOST /a?b=c%20 HTTP/1.0\r\n"
                                           "Host: x\r\nEmpty:\r\nempty:  \r\nPad: \t a b \t\r\nHOST:y\r\n\r\n");

    (void)state;
    assert_int_equal(read_head(HTTP_REQUEST, text, text.n, &held), HTTP_OK);
    assert_slice(request.method, "POST");
    assert_slice(request.target, "/a?b=c%20");
    assert_int_equal(request.minor, 0);
    assert_int_equal(request.fields.n, 5);
    assert_slice(request.fields.at[0].name, "Host");
    assert_slice(request.fields.at[1].value, "");
    assert_slice(request.fields.at[2].value, "");
    assert_slice(request.fields.at[3].value, "a b");
    assert_slice(request.fields.at[4].value, "y");
}

static void the_parts_of_a_response(void **state) {
    static const struct {
        struct slice text;
        unsigned status, minor;
        const char *reason;
    } rows[] = {
        {SLICE("HTTP/1.1 404 Not  Found \r\nA: b\r\n\r\n"), 404, 1, "Not  Found "},
        {SLICE("HTTP/1.0 200 \r\nA: b\r\n\r\n"), 200, 0, ""},
        {SLICE("HTTP/1.7 200\r\nA: b\r\n\r\n"), 200, 1, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice held = {0};

        assert_row(rows[i].text, read_head(HTTP_RESPONSE, rows[i].text, rows[i].text.n, &held) == HTTP_OK);
        assert_row(rows[i].text, response.status == rows[i].status && response.minor == rows[i].minor);
        assert_slice(response.reason, rows[i].reason);
        assert_int_equal(response.fields.n, 1);
        assert_slice(response.fields.at[0].value, "b");
    }
}

static char big[2 * LIMIT_HEAD];

/* `before`, then `n` times `x`, then `after`. */
static struct slice padded(const char *before, size_t n, const char *after) {
    size_t start = strlen(before);

    memcpy(big, before, start);
    memset(big + start, 'x', n);
    memcpy(big + start + n, after, strlen(after));
    return slice_of(big, start + n + strlen(after));
}

/* In one piece, in two, and in steps that never meet a line's end. */
static void check_big(enum http_message_kind kind, struct slice text, enum http_fault expected) {
    const size_t steps[] = {text.n, text.n / 2 + 1, 4099};

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        _cleanup_slice_ struct slice held = {0};
        assert_int_equal(read_head(kind, text, steps[i], &held), expected);
    }
}

static void limit_of_the_target(void **state) {
    enum http_fault fault = HTTP_OK;

    (void)state;
    check_big(HTTP_REQUEST, padded("GET /", LIMIT_TARGET - 1, " HTTP/1.1\r\n\r\n"), HTTP_OK);
    check_big(HTTP_REQUEST, padded("GET /", LIMIT_TARGET, " HTTP/1.1\r\n\r\n"), HTTP_LONG_TARGET);
    check_big(HTTP_REQUEST, padded("\r\nGET /", LIMIT_HEAD, " HTTP/1.1\r\n\r\n"), HTTP_LONG_TARGET);
    check_big(HTTP_REQUEST, padded("GET /", LIMIT_TARGET, ""), HTTP_LONG_TARGET);
    assert_int_equal(scan(HTTP_REQUEST, padded("GET /", LIMIT_TARGET - 1, ""), 4099, &fault), 0);
}

static void limit_of_the_request_line(void **state) {
    (void)state;
    check_big(HTTP_REQUEST, padded("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF /", LIMIT_TARGET - 1, " HTTP/1.1\r\n\r\n"),
              HTTP_OK);
    check_big(HTTP_REQUEST, padded("GET / ", LIMIT_TARGET + LIMIT_METHOD + 9, ""), HTTP_BAD_REQUEST_LINE);
    check_big(HTTP_REQUEST, padded("GET / HTTP/1.1", LIMIT_HEAD, "\r\n\r\n"), HTTP_BAD_REQUEST_LINE);
}

static void limit_of_a_field_line(void **state) {
    enum http_fault fault = HTTP_OK;

    (void)state;
    check_big(HTTP_REQUEST, padded(GET "X:", LIMIT_FIELD_LINE - 2, "\r\n\r\n"), HTTP_OK);
    check_big(HTTP_REQUEST, padded(GET "X:", LIMIT_FIELD_LINE - 1, "\r\n\r\n"), HTTP_LARGE_HEAD);
    check_big(HTTP_REQUEST, padded(GET "X:", LIMIT_FIELD_LINE, ""), HTTP_LARGE_HEAD);
    check_big(HTTP_REQUEST, padded(GET, LIMIT_FIELD_LINE + 2, ""), HTTP_LARGE_HEAD);
    check_big(HTTP_RESPONSE, padded(OK "X:", LIMIT_FIELD_LINE - 2, "\r\n\r\n"), HTTP_OK);
    check_big(HTTP_RESPONSE, padded(OK "X:", LIMIT_FIELD_LINE - 1, "\r\n\r\n"), HTTP_LARGE_HEAD);
    check_big(HTTP_RESPONSE, padded("HTTP/1.1 200 ", LIMIT_FIELD_LINE, "\r\n\r\n"), HTTP_LARGE_HEAD);
    assert_int_equal(scan(HTTP_REQUEST, padded(GET "X:", LIMIT_FIELD_LINE - 2, "\r"), 4099, &fault), 0);
}

/* A head of exactly `n` bytes, in field lines of 1 KiB. */
static struct slice head_of(size_t n) {
    size_t at = (size_t)snprintf(big, sizeof(big), GET);

    while (n - at > 2048) {
        memset(big + at, 'x', 1024);
        memcpy(big + at, "X:", 2);
        memcpy(big + at + 1022, "\r\n", 2);
        at += 1024;
    }
    memset(big + at, 'x', n - at);
    memcpy(big + at, "X:", 2);
    memcpy(big + n - 4, "\r\n\r\n", 4);
    return slice_of(big, n);
}

static void limit_of_the_head(void **state) {
    enum http_fault fault = HTTP_OK;

    (void)state;
    check_big(HTTP_REQUEST, head_of(LIMIT_HEAD - 1), HTTP_OK);
    check_big(HTTP_REQUEST, head_of(LIMIT_HEAD), HTTP_OK);
    check_big(HTTP_REQUEST, head_of(LIMIT_HEAD + 1), HTTP_LARGE_HEAD);
    check_big(HTTP_REQUEST, slice_first(head_of(LIMIT_HEAD + 100), LIMIT_HEAD), HTTP_LARGE_HEAD);
    assert_int_equal(scan(HTTP_REQUEST, slice_first(head_of(LIMIT_HEAD), LIMIT_HEAD - 1), 4099, &fault), 0);
}

static void limit_of_the_number_of_fields(void **state) {
    (void)state;
    for (size_t n = LIMIT_FIELDS - 1; n <= LIMIT_FIELDS + 1; n++) {
        size_t at = (size_t)snprintf(big, sizeof(big), GET);

        for (size_t i = 0; i < n; i++)
            at += (size_t)snprintf(big + at, sizeof(big) - at, "X-%zu: y\r\n", i);
        at += (size_t)snprintf(big + at, sizeof(big) - at, "\r\n");
        check_big(HTTP_REQUEST, slice_of(big, at), n <= LIMIT_FIELDS ? HTTP_OK : HTTP_LARGE_HEAD);
        if (n > LIMIT_FIELDS) /* at its second byte, not at its end */
            check_big(HTTP_REQUEST, slice_of(big, at - sizeof("-128: y\r\n\r\n") + 2), HTTP_LARGE_HEAD);
    }
}

/* The parsers alone, too, read no byte beyond what they are given, wherever it is cut. */
static void cut_heads(void **state) {
    static const struct slice text = SLICE("\r\n" GET "Host: a\r\nX: y\r\n\r\n");
    static const struct slice answer = SLICE(OK "Host: a\r\nX: y\r\n\r\n");

    (void)state;
    for (size_t n = 0; n < text.n; n++) {
        _cleanup_slice_ struct slice cut = exact_copy(slice_first(text, n));
        assert_int_not_equal(http_request_parse(cut, &request), HTTP_OK);
    }
    for (size_t n = 0; n < answer.n; n++) {
        _cleanup_slice_ struct slice cut = exact_copy(slice_first(answer, n));
        assert_int_not_equal(http_response_parse(cut, &response), HTTP_OK);
    }
}

/* What http_head_scan refuses first, the parser refuses too: it relies on nobody. */
static void the_parser_alone(void **state) {
    static const struct row rows[] = {
        {SLICE(GET "\r\n"), HTTP_OK},
        {SLICE("GET\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("GET\t/ HTTP/1.1\r\n\r\n"), HTTP_BAD_REQUEST_LINE},
        {SLICE("G@T / HTTP/1.1\r\n\r\n"), HTTP_BAD_METHOD},
        {SLICE(" / HTTP/1.1\r\n\r\n"), HTTP_BAD_START},
        {SLICE("\r\n\r\n" GET "\r\n"), HTTP_BAD_START},
        {SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n"), HTTP_LONG_METHOD},
        {SLICE("\n" GET "\r\n"), HTTP_BAD_LINE_END},
        {SLICE("GET / HTTP/1.1\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: y\n\r\n"), HTTP_BAD_LINE_END},
        {SLICE(GET "\r\nmore"), HTTP_BAD_LINE_END},
        {SLICE(GET "X: y\r\n"), HTTP_BAD_LINE_END},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice head = exact_copy(rows[i].text);
        assert_row(rows[i].text, http_request_parse(head, &request) == rows[i].fault);
    }
}

static void check_finding_and_removing(struct http_fields *fields) {
    bool is_repeated;
    size_t at = 77;

    assert_slice(http_fields_find(fields, HTTP_NAME_TE, 0, &at)->value, "1");
    assert_int_equal(at, 0);
    assert_slice(http_fields_find(fields, HTTP_NAME_TE, 1, &at)->value, "3");
    assert_int_equal(at, 2);
    assert_null(http_fields_find(fields, HTTP_NAME_TE, 3, &at));
    assert_int_equal(at, 2);
    assert_null(http_fields_find(fields, HTTP_NAME_TE, 400, NULL));
    assert_null(http_fields_find(fields, HTTP_NAME_COOKIE, 0, NULL));
    assert_slice(http_fields_find_single(fields, HTTP_NAME_TE, &is_repeated)->value, "1");
    assert_true(is_repeated);
    assert_slice(http_fields_find_single(fields, HTTP_NAME_HOST, &is_repeated)->value, "2");
    assert_false(is_repeated);
    assert_null(http_fields_find_single(fields, HTTP_NAME_COOKIE, &is_repeated));
    assert_false(is_repeated);
    assert_int_equal(http_fields_remove(fields, HTTP_NAME_SET(TE) | HTTP_NAME_SET(COOKIE)), 2);
    assert_int_equal(fields->n, 2);
    assert_slice(fields->at[0].name, "Host");
    assert_slice(fields->at[1].name, "tex");
    assert_int_equal(http_fields_remove(fields, HTTP_NAME_SET(TE)), 0);
    assert_null(http_fields_find(fields, HTTP_NAME_TE, 0, NULL));
}

/* The same of fields that were added, and of an initializer, which says nothing of its names. */
static void finding_and_removing(void **state) {
    struct http_fields given = {.n = 4,
                                .at = {{SLICE("TE"), SLICE("1")},
                                       {SLICE("Host"), SLICE("2")},
                                       {SLICE("te"), SLICE("3")},
                                       {SLICE("tex"), SLICE("4")}}};
    static struct http_fields added;

    (void)state;
    http_fields_clear(&added);
    assert_null(http_fields_find(&added, HTTP_NAME_TE, 0, NULL));
    for (size_t i = 0; i < given.n; i++)
        http_fields_add(&added, given.at[i].name, given.at[i].value, http_name_of(given.at[i].name));
    check_finding_and_removing(&given);
    check_finding_and_removing(&added);
}

static void tokens_and_values(void **state) {
    static const char tchars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'x', (char)c, 'x'};
        bool is_tchar = c != 0 && strchr(tchars, c);

        assert_int_equal(http_is_token(slice_of(text, 3)), is_tchar);
        assert_int_equal(http_is_field_value(slice_of(text, 3)), c == '\t' || (c >= 0x20 && c != 0x7F));
    }
    for (size_t at = 0; at < 20; at++)
        for (int c = 0; c < 256; c++) {
            char text[] = "abcdefgh\tjklmnopqrst";

            text[at] = (char)c;
            if (at != 0 && at != 19)
                assert_int_equal(http_is_field_value(slice_of(text, 20)), c == '\t' || (c >= 0x20 && c != 0x7F));
        }
    assert_false(http_is_token(SLICE("")));
    assert_true(http_is_field_value(SLICE("")));
    assert_false(http_is_field_value(SLICE(" a")));
    assert_false(http_is_field_value(SLICE("a\t")));
    assert_false(http_is_field_value(SLICE(" ")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_lines),
        cmocka_unit_test(field_lines),
        cmocka_unit_test(status_lines),
        cmocka_unit_test(faults_are_found_early),
        cmocka_unit_test(incomplete_heads_are_waited_for),
        cmocka_unit_test(what_follows_the_head_is_left),
        cmocka_unit_test(the_parts_of_a_request),
        cmocka_unit_test(the_parts_of_a_response),
        cmocka_unit_test(limit_of_the_target),
        cmocka_unit_test(limit_of_the_request_line),
        cmocka_unit_test(limit_of_a_field_line),
        cmocka_unit_test(limit_of_the_head),
        cmocka_unit_test(limit_of_the_number_of_fields),
        cmocka_unit_test(cut_heads),
        cmocka_unit_test(the_parser_alone),
        cmocka_unit_test(finding_and_removing),
        cmocka_unit_test(tokens_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
