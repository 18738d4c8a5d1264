#include "egress/exchange_codec.h"

#include <errno.h>

#include "unit.h"

static char storage[2 * LIMIT_DATAGRAM];
static size_t stored;

/* The message as it would arrive: what was put together, and its tail. */
static struct ipc_message arrive(const struct ipc_writer *w, struct slice tail) {
    struct slice bytes = ipc_writer_bytes(w);

    assert_false(w->is_failed);
    memcpy(storage, bytes.p, bytes.n);
    if (tail.n > 0)
        memcpy(storage + bytes.n, tail.p, tail.n);
    stored = bytes.n + tail.n;
    return ipc_message_of(slice_of(storage, stored));
}

static struct http_fields fields;

/* A request that every check lets through: each row of the tests below spoils one part of it. */
static struct request_head sound(void) {
    static const struct http_field some[] = {{SLICE("Accept"), SLICE("*/*")}, {SLICE("X-Empty"), SLICE_EMPTY}};

    return (struct request_head){.method = SLICE("POST"),
                                 .path = SLICE("/v1/a"),
                                 .query = SLICE("x=y&z"),
                                 .has_query = true,
                                 .fields = some,
                                 .n_fields = ARRAY_LEN(some),
                                 .body = {HTTP_BODY_LENGTH, 10}};
}

static int pass(const struct request_head *request, struct slice data, bool is_end, struct request_head *ret) {
    struct ipc_writer w = request_encode(request, data, is_end);
    struct ipc_message m = arrive(&w, data);
    struct slice got = {0};
    bool got_end;
    int r;

    assert_int_equal(m.type, IPC_REQUEST);
    r = request_decode(&m, &fields, ret, &got, &got_end);
    if (r == 0) {
        assert_true(slice_equals(got, data));
        assert_int_equal(got_end, is_end);
    }
    return r;
}

static void assert_equal_fields(const struct http_field *a, size_t n_a, const struct http_field *b, size_t n_b) {
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++)
        assert_true(slice_equals(a[i].name, b[i].name) && slice_equals(a[i].value, b[i].value));
}

static void assert_equal_requests(const struct request_head *a, const struct request_head *b) {
    assert_true(slice_equals(a->method, b->method));
    assert_true(slice_equals(a->path, b->path));
    assert_true(slice_equals(a->query, b->query));
    assert_int_equal(a->has_query, b->has_query);
    assert_int_equal(a->expects_continue, b->expects_continue);
    assert_int_equal(a->is_upgrade, b->is_upgrade);
    assert_int_equal(a->body.kind, b->body.kind);
    assert_true(a->body.length == b->body.length);
    assert_equal_fields(a->fields, a->n_fields, b->fields, b->n_fields);
}

static void requests_come_back(void **state) {
    struct request_head request = sound(), got;

    (void)state;
    assert_int_equal(pass(&request, SLICE("12345"), false, &got), 0);
    assert_equal_requests(&request, &got);
    assert_int_equal(pass(&request, SLICE("1234567890"), true, &got), 0);
    assert_int_equal(pass(&request, SLICE("1234567890"), false, &got), 0); /* all of it, and the end is told later */
    request.expects_continue = true;
    assert_int_equal(pass(&request, SLICE_EMPTY, false, &got), 0);
    assert_equal_requests(&request, &got);

    request = (struct request_head){.method = SLICE("GET"), .path = SLICE("/"), .query = SLICE_EMPTY};
    assert_int_equal(pass(&request, SLICE_EMPTY, true, &got), 0);
    assert_equal_requests(&request, &got);
    request.has_query = true; /* "/?" */
    assert_int_equal(pass(&request, SLICE_EMPTY, true, &got), 0);
    assert_equal_requests(&request, &got);
    request = (struct request_head){.method = SLICE("OPTIONS"), .path = SLICE("*"), .query = SLICE_EMPTY};
    assert_int_equal(pass(&request, SLICE_EMPTY, true, &got), 0);
    assert_equal_requests(&request, &got);

    request = sound();
    request.body = (struct http_framing){HTTP_BODY_CHUNKED, 0};
    assert_int_equal(pass(&request, SLICE("any length"), false, &got), 0);
    assert_equal_requests(&request, &got);
    assert_int_equal(pass(&request, SLICE_EMPTY, true, &got), 0);
    request.body = (struct http_framing){HTTP_BODY_LENGTH, INT64_MAX};
    assert_int_equal(pass(&request, SLICE("x"), false, &got), 0);
    assert_equal_requests(&request, &got);
}

static void assert_refused(struct slice row, const struct request_head *request, struct slice data, bool is_end) {
    struct request_head got = {.n_fields = 4711};

    assert_row(row, pass(request, data, is_end, &got) == -EPROTO);
    assert_row(row, got.n_fields == 4711);
}

static void methods_that_are_none(void **state) {
    static const struct slice rows[] = {
        SLICE(""),       SLICE("G ET"),    SLICE("GET /x HTTP/1.1\r\nHost: evil\r\n\r\nGET"),
        SLICE("GET\r"),  SLICE("GET\n"),   SLICE("G\0T"),
        SLICE("G\x80T"), SLICE("(GET)"),   SLICE("GET:"),
        SLICE("TRACE"),  SLICE("CONNECT"), SLICE("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), /* LIMIT_METHOD and one */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = sound();

        request.method = rows[i];
        assert_refused(rows[i], &request, SLICE_EMPTY, false);
    }
}

static void paths_that_are_none(void **state) {
    static const struct slice rows[] = {
        SLICE(""),           SLICE("v1"),         SLICE("*"),      SLICE("//\n"),   SLICE("/a b"),
        SLICE("/a\tb"),      SLICE("/a\r\nX: y"), SLICE("/a\0b"),  SLICE("/a?b"),   SLICE("/?"),
        SLICE("/a#b"),       SLICE("/a\\b"),      SLICE("/a\x7f"), SLICE("/a\x80"), SLICE("/a HTTP/1.1"),
        SLICE("http://e/x"), SLICE("e.org:443"),  SLICE("?x"),
    };
    static char longest[LIMIT_TARGET + 1];
    struct request_head request = sound(), got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        request = sound();
        request.path = rows[i];
        assert_refused(rows[i], &request, SLICE_EMPTY, false);
    }
    memset(longest, '/', sizeof(longest));
    request = sound();
    request.path = slice_of(longest, LIMIT_TARGET + 1);
    assert_refused(SLICE("a long path"), &request, SLICE_EMPTY, false);
    request.path = slice_of(longest, LIMIT_TARGET);
    request.query = SLICE_EMPTY;
    request.has_query = false;
    assert_int_equal(pass(&request, SLICE_EMPTY, false, &got), 0);
}

static void queries_that_are_none(void **state) {
    static const struct slice rows[] = {
        SLICE("a b"),  SLICE("a\r\nX: y"), SLICE("a\nb"), SLICE("a\0b"), SLICE("a#b"),
        SLICE("a\\b"), SLICE("\x7f"),      SLICE("\xff"), SLICE(" "),    SLICE("x HTTP/1.1"),
    };
    struct request_head request;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        request = sound();
        request.query = rows[i];
        assert_refused(rows[i], &request, SLICE_EMPTY, false);
    }
    request = sound();
    request.has_query = false; /* and yet there is one */
    assert_refused(SLICE("a query without its mark"), &request, SLICE_EMPTY, false);
    request =
        (struct request_head){.method = SLICE("OPTIONS"), .path = SLICE("*"), .query = SLICE("a"), .has_query = true};
    assert_refused(SLICE("a query behind the asterisk"), &request, SLICE_EMPTY, true);
}

static void fields_that_are_none(void **state) {
    static const struct {
        struct slice name, value;
    } rows[] = {
        {SLICE(""), SLICE("x")},       {SLICE("a b"), SLICE("x")},
        {SLICE("a:"), SLICE("x")},     {SLICE("a\r\nHost"), SLICE("x")},
        {SLICE("a\0"), SLICE("x")},    {SLICE("a\x80"), SLICE("x")},
        {SLICE(" a"), SLICE("x")},     {SLICE("a"), SLICE("x\r\nHost: evil")},
        {SLICE("a"), SLICE("x\ny")},   {SLICE("a"), SLICE("x\r")},
        {SLICE("a"), SLICE("x\0y")},   {SLICE("a"), SLICE("\x7f")},
        {SLICE("a"), SLICE("\x1b[m")}, {SLICE("a"), SLICE(" x")},
        {SLICE("a"), SLICE("x ")},     {SLICE("a"), SLICE("\tx")},
    };
    static const struct slice reserved[] = {
        SLICE("Host"),
        SLICE("hOST"),
        SLICE("Content-Length"),
        SLICE("content-length"),
        SLICE("Transfer-Encoding"),
        SLICE("TRANSFER-ENCODING"),
        SLICE("Connection"),
        SLICE("Expect"),
        SLICE("Upgrade"),
        SLICE("TE"),
        SLICE("te"),
        SLICE("Trailer"),
        SLICE("Keep-Alive"),
        SLICE("Proxy-Connection"),
    };
    struct http_field spoilt[3] = {{SLICE("Accept"), SLICE("*/*")}, {SLICE("X"), SLICE("y")}, {SLICE("Z"), SLICE("z")}};
    struct request_head request = sound();

    (void)state;
    request.fields = spoilt;
    request.n_fields = ARRAY_LEN(spoilt);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t at = 0; at < ARRAY_LEN(spoilt); at++) {
            struct http_field kept = spoilt[at];

            spoilt[at] = (struct http_field){rows[i].name, rows[i].value};
            assert_refused(rows[i].name, &request, SLICE_EMPTY, false);
            spoilt[at] = kept;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        spoilt[1].name = reserved[i];
        assert_refused(reserved[i], &request, SLICE_EMPTY, false);
    }
}

static void the_number_of_fields(void **state) {
    static struct http_field many[LIMIT_FIELDS + 1];
    struct request_head request = sound(), got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct http_field){SLICE("A"), SLICE("b")};
    request.fields = many;
    request.n_fields = LIMIT_FIELDS;
    assert_int_equal(pass(&request, SLICE_EMPTY, false, &got), 0);
    assert_int_equal(got.n_fields, LIMIT_FIELDS);
    request.n_fields = LIMIT_FIELDS + 1;
    assert_refused(SLICE("one field too many"), &request, SLICE_EMPTY, false);
}

/* RFC 6455 §4.1: what a keeper is asked to make a WebSocket of is one's handshake. */
static void upgrades(void **state) {
    static const struct http_field handshake[] = {{SLICE("Sec-WebSocket-Version"), SLICE("13")},
                                                  {SLICE("Sec-WebSocket-Key"), SLICE("dGhlIHNhbXBsZSBub25jZQ==")}};
    struct request_head request = {
        .method = SLICE("GET"), .path = SLICE("/ws"), .is_upgrade = true, .fields = handshake, .n_fields = 2};
    struct request_head got;

    (void)state;
    assert_int_equal(pass(&request, SLICE_EMPTY, true, &got), 0);
    assert_true(got.is_upgrade);
    request.n_fields = 1;
    assert_refused(SLICE("no key"), &request, SLICE_EMPTY, true);
    request.n_fields = 2;
    request.method = SLICE("POST");
    assert_refused(SLICE("not a GET"), &request, SLICE_EMPTY, true);
    request.method = SLICE("GET");
    request.body = (struct http_framing){HTTP_BODY_LENGTH, 0};
    assert_refused(SLICE("a body"), &request, SLICE_EMPTY, true);
}

static void data_that_does_not_fit_its_framing(void **state) {
    static const struct {
        struct slice name;
        struct http_framing framing;
        struct slice data;
        bool is_end;
    } rows[] = {
        {SLICE("more than declared"), {HTTP_BODY_LENGTH, 3}, SLICE("1234"), true},
        {SLICE("more than declared, and it goes on"), {HTTP_BODY_LENGTH, 3}, SLICE("1234"), false},
        {SLICE("less than declared at the end"), {HTTP_BODY_LENGTH, 3}, SLICE("12"), true},
        {SLICE("nothing at the end"), {HTTP_BODY_LENGTH, 3}, SLICE_EMPTY, true},
        {SLICE("data where no body is"), {HTTP_BODY_NONE, 0}, SLICE("x"), true},
        {SLICE("no body, and no end"), {HTTP_BODY_NONE, 0}, SLICE_EMPTY, false},
        {SLICE("until close"), {HTTP_BODY_CLOSE, 0}, SLICE_EMPTY, true},
        {SLICE("no kind of body"), {(enum http_body_kind)9, 0}, SLICE_EMPTY, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = sound();

        request.body = rows[i].framing;
        assert_refused(rows[i].name, &request, rows[i].data, rows[i].is_end);
    }
}

/* Cut anywhere, or with something behind it, the message is malformed. */
static void requests_of_another_length(void **state) {
    const struct request_head request = sound();
    struct ipc_writer w = request_encode(&request, SLICE("12345"), false);
    struct ipc_message m = arrive(&w, SLICE("12345"));
    struct request_head got;
    struct slice data;
    bool is_end;

    (void)state;
    for (size_t n = 1; n <= stored + 1; n++) {
        _cleanup_slice_ struct slice bytes = exact_copy(slice_of(storage, n));

        m = ipc_message_of(bytes);
        assert_int_equal(request_decode(&m, &fields, &got, &data, &is_end), n == stored ? 0 : -EPROTO);
    }
}

static void flags_that_mean_nothing(void **state) {
    const struct request_head request = sound();
    struct ipc_writer w = request_encode(&request, SLICE("12345"), false);
    struct ipc_message m = arrive(&w, SLICE("12345"));
    struct request_head got;
    struct slice data;
    bool is_end;

    (void)state;
    storage[1] |= 16;
    m = ipc_message_of(slice_of(storage, stored));
    assert_int_equal(request_decode(&m, &fields, &got, &data, &is_end), -EPROTO);
}

static int pass_event(const struct upstream_event *event, struct upstream_event *ret) {
    bool has_tail = event->type != UPSTREAM_ABORT;
    struct ipc_writer w = event_encode(event);
    struct ipc_message m = arrive(&w, has_tail ? event->data : SLICE_EMPTY);

    return event_decode(&m, &fields, ret);
}

static void events_come_back(void **state) {
    static const struct http_field some[] = {{SLICE("Server"), SLICE("x")}, {SLICE("Set-Cookie"), SLICE("a=b")}};
    const struct upstream_event events[] = {
        {.type = UPSTREAM_INTERIM, .response = {.status = 103, .fields = some, .n_fields = 2}, .data = SLICE_EMPTY},
        {.type = UPSTREAM_SWITCH, .response = {.status = 101, .fields = some, .n_fields = 2}, .data = SLICE_EMPTY},
        {.type = UPSTREAM_RESPONSE,
         .response = {.status = 200,
                      .fields = some,
                      .n_fields = 2,
                      .body = {HTTP_BODY_LENGTH, 5},
                      .declared = {HTTP_BODY_LENGTH, 5}},
         .data = SLICE("12345"),
         .is_end = true},
        {.type = UPSTREAM_RESPONSE,
         .response = {.status = 304, .declared = {HTTP_BODY_LENGTH, INT64_MAX}},
         .data = SLICE_EMPTY,
         .is_end = true},
        {.type = UPSTREAM_RESPONSE, .response = {.status = 599, .body = {HTTP_BODY_CHUNKED, 0}}, .data = SLICE("part")},
        {.type = UPSTREAM_DATA, .data = SLICE("more"), .is_end = false},
        {.type = UPSTREAM_DATA, .data = SLICE_EMPTY, .is_end = true},
        {.type = UPSTREAM_ABORT, .status = 504, .reason = SLICE("too late"), .data = SLICE_EMPTY},
        {.type = UPSTREAM_ABORT, .status = 0, .reason = SLICE_EMPTY, .data = SLICE_EMPTY},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const struct upstream_event *event = &events[i];
        struct upstream_event got;

        assert_int_equal(pass_event(event, &got), 0);
        assert_int_equal(got.type, event->type);
        assert_int_equal(got.is_end, event->is_end);
        assert_int_equal(got.status, event->status);
        assert_int_equal(got.response.status, event->response.status);
        assert_int_equal(got.response.body.kind, event->response.body.kind);
        assert_true(got.response.body.length == event->response.body.length);
        assert_int_equal(got.response.declared.kind, event->response.declared.kind);
        assert_true(got.response.declared.length == event->response.declared.length);
        assert_equal_fields(got.response.fields, got.response.n_fields, event->response.fields,
                            event->response.n_fields);
        assert_true(slice_equals(got.data, event->data));
        assert_true(slice_equals(got.reason, event->reason));
    }
}

static void events_of_another_length(void **state) {
    static const struct http_field some[] = {{SLICE("Server"), SLICE("x")}};
    const struct upstream_event events[] = {
        {.type = UPSTREAM_RESPONSE, .response = {.status = 200, .fields = some, .n_fields = 1}, .data = SLICE("1")},
        {.type = UPSTREAM_DATA, .data = SLICE("more")},
        {.type = UPSTREAM_ABORT, .status = 504, .reason = SLICE("too late"), .data = SLICE_EMPTY},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct upstream_event got = {.status = 4711};
        size_t whole;

        assert_int_equal(pass_event(&events[i], &got), 0);
        whole = stored;
        got.status = 4711;
        for (size_t n = 1; n <= whole + 1; n++) {
            _cleanup_slice_ struct slice bytes = exact_copy(slice_of(storage, n));
            struct ipc_message m = ipc_message_of(bytes);

            if (n == whole)
                continue;
            assert_int_equal(event_decode(&m, &fields, &got), -EPROTO);
            assert_int_equal(got.status, 4711);
        }
    }
}

static void messages_that_are_no_event(void **state) {
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        char byte = (char)type;
        struct ipc_message m = ipc_message_of(slice_of(&byte, 1));
        struct upstream_event got = {.status = 4711};

        assert_int_equal(event_decode(&m, &fields, &got), -EPROTO); /* nothing in it, or not one of the four */
        assert_int_equal(got.status, 4711);
    }
}

static void data_and_abort(void **state) {
    struct ipc_writer w = data_encode(SLICE("x"), true);
    struct ipc_message m = arrive(&w, SLICE("x"));
    struct slice data, reason;
    unsigned status;
    bool is_end;

    (void)state;
    assert_int_equal(data_decode(&m, &data, &is_end), 0);
    assert_slice(data, "x");
    assert_true(is_end);
    storage[1] = 2; /* neither the end nor not */
    m = ipc_message_of(slice_of(storage, stored));
    data = SLICE("untouched");
    assert_int_equal(data_decode(&m, &data, &is_end), -EPROTO);
    assert_slice(data, "untouched");

    w = abort_encode(408, SLICE("slow"));
    m = arrive(&w, SLICE_EMPTY);
    assert_int_equal(abort_decode(&m, &status, &reason), 0);
    assert_int_equal(status, 408);
    assert_slice(reason, "slow");
    m = ipc_message_of(slice_of(storage, stored - 1));
    assert_int_equal(abort_decode(&m, &status, &reason), -EPROTO);
}

/* A reason longer than the reader takes is cut by the writer. */
static void a_long_reason_is_cut(void **state) {
    static char much[1000];
    struct ipc_writer w;
    struct ipc_message m;
    struct slice reason;
    unsigned status;

    (void)state;
    memset(much, 'r', sizeof(much));
    w = abort_encode(500, slice_of(much, sizeof(much)));
    m = arrive(&w, SLICE_EMPTY);
    assert_int_equal(abort_decode(&m, &status, &reason), 0);
    assert_true(reason.n > 0 && reason.n < sizeof(much));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_back),
        cmocka_unit_test(methods_that_are_none),
        cmocka_unit_test(paths_that_are_none),
        cmocka_unit_test(queries_that_are_none),
        cmocka_unit_test(fields_that_are_none),
        cmocka_unit_test(the_number_of_fields),
        cmocka_unit_test(upgrades),
        cmocka_unit_test(data_that_does_not_fit_its_framing),
        cmocka_unit_test(requests_of_another_length),
        cmocka_unit_test(flags_that_mean_nothing),
        cmocka_unit_test(events_come_back),
        cmocka_unit_test(events_of_another_length),
        cmocka_unit_test(messages_that_are_no_event),
        cmocka_unit_test(data_and_abort),
        cmocka_unit_test(a_long_reason_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
