#include "wire/websocket.h"

#include "unit.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 §1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* The fields as a head would yield them: "Name: value\n" each. */
static struct http_fields fields_of(const char *text) {
    struct http_fields fields = {.n = 0};
    struct slice rest = slice_of_string(text);

    while (rest.n > 0) {
        struct slice line = slice_cut(&rest, '\n'), name = slice_cut(&line, ':');

        fields.at[fields.n++] = (struct http_field){.name = name, .value = slice_trim(line)};
        if (!rest.p)
            break;
    }
    return fields;
}

#define ASKS "Upgrade: websocket\nConnection: Upgrade\n"

static void who_asks(void **state) {
    static const struct {
        const char *method, *fields;
        unsigned minor;
        bool is_asked_for;
    } rows[] = {
        {"GET", ASKS, 1, true},
        {"GET", "Upgrade: WebSocket\nConnection: keep-alive, UPGRADE\n", 1, true},
        {"GET", "Upgrade: websocket\nConnection: keep-alive\nConnection: upgrade\n", 1, true},
        {"GET", ASKS, 0, false},
        {"POST", ASKS, 1, false},
        {"get", ASKS, 1, false},
        {"GET", "Upgrade: websocket\n", 1, false},
        {"GET", "Upgrade: websocket\nConnection: keep-alive\n", 1, false},
        {"GET", "Upgrade: websocket\nConnection: upgrades\n", 1, false},
        {"GET", "Connection: Upgrade\n", 1, false},
        {"GET", "Upgrade: h2c\nConnection: Upgrade\n", 1, false},
        {"GET", "Upgrade: h2c, websocket\nConnection: Upgrade\n", 1, false},
        {"GET", "Upgrade: websocket, h2c\nConnection: Upgrade\n", 1, false},
        {"GET", "Upgrade: websocket/13\nConnection: Upgrade\n", 1, false},
        {"GET", "Upgrade: websocket\n" ASKS, 1, false},
        {"GET", "Upgrade: h2c\n" ASKS, 1, false},
        {"GET", "Upgrade:\nConnection: Upgrade\n", 1, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_request request = {.method = slice_of_string(rows[i].method), .minor = rows[i].minor};

        request.fields = fields_of(rows[i].fields);
        assert_row(slice_of_string(rows[i].fields), websocket_is_asked_for(&request) == rows[i].is_asked_for);
    }
}

#define VERSION "Sec-WebSocket-Version: 13\n"

static void what_a_handshake_needs(void **state) {
    static const struct {
        const char *fields;
        enum http_fault fault;
    } rows[] = {
        {VERSION "Sec-WebSocket-Key: " KEY "\n", HTTP_OK},
        {"sec-websocket-version: 13\nSEC-WEBSOCKET-KEY: +/AAAAAAAAAAAAAAAAAAAA==\n", HTTP_OK},
        {"Sec-WebSocket-Key: " KEY "\n", HTTP_UPGRADE_REQUIRED},
        {"Sec-WebSocket-Version: 8\nSec-WebSocket-Key: " KEY "\n", HTTP_UPGRADE_REQUIRED},
        {"Sec-WebSocket-Version: 13, 8\nSec-WebSocket-Key: " KEY "\n", HTTP_UPGRADE_REQUIRED},
        {"Sec-WebSocket-Version: 013\nSec-WebSocket-Key: " KEY "\n", HTTP_UPGRADE_REQUIRED},
        {VERSION VERSION "Sec-WebSocket-Key: " KEY "\n", HTTP_UPGRADE_REQUIRED},
        {VERSION, HTTP_BAD_UPGRADE},
        {VERSION "Sec-WebSocket-Key:\n", HTTP_BAD_UPGRADE},
        {VERSION "Sec-WebSocket-Key: " KEY "\nSec-WebSocket-Key: " KEY "\n", HTTP_BAD_UPGRADE},
        {VERSION "Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ==\n", HTTP_BAD_UPGRADE},     /* 13 bytes */
        {VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTA=\n", HTTP_BAD_UPGRADE}, /* 17 */
        {VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\n", HTTP_BAD_UPGRADE}, /* bits behind the 128th */
        {VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\n", HTTP_BAD_UPGRADE},
        {VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2_jZQ==\n", HTTP_BAD_UPGRADE},
        {VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2 jZQ==\n", HTTP_BAD_UPGRADE},
        {VERSION "Sec-WebSocket-Key: =GhlIHNhbXBsZSBub25jZQ==\n", HTTP_BAD_UPGRADE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_fields fields = fields_of(rows[i].fields);

        assert_row(slice_of_string(rows[i].fields), websocket_request_check(&fields) == rows[i].fault);
    }
}

static void the_key(void **state) {
    struct http_fields fields = fields_of("Accept: x\nsec-websocket-key: " KEY "\n");

    (void)state;
    assert_slice(websocket_key(fields.at, fields.n), KEY);
    assert_slice(websocket_key(fields.at, 1), "");
}

static void the_accept(void **state) {
    char accept[WEBSOCKET_ACCEPT_LENGTH];

    (void)state;
    websocket_accept(SLICE(KEY), accept);
    assert_slice(slice_of(accept, sizeof(accept)), ACCEPT);
}

static void what_an_answer_needs(void **state) {
    static const struct {
        const char *fields;
        bool is_accepted;
    } rows[] = {
        {ASKS "Sec-WebSocket-Accept: " ACCEPT "\n", true},
        {"upgrade: WEBSOCKET\nconnection: upgrade\nsec-websocket-accept: " ACCEPT "\n", true},
        {ASKS, false},
        {ASKS "Sec-WebSocket-Accept:\n", false},
        {ASKS "Sec-WebSocket-Accept: s3pplmbitxaq9kygzzhzrbk+xoo=\n", false},
        {ASKS "Sec-WebSocket-Accept: " ACCEPT "x\n", false},
        {ASKS "Sec-WebSocket-Accept: " ACCEPT "\nSec-WebSocket-Accept: " ACCEPT "\n", false},
        {"Upgrade: websocket\nSec-WebSocket-Accept: " ACCEPT "\n", false},
        {"Connection: upgrade\nSec-WebSocket-Accept: " ACCEPT "\n", false},
        {"Upgrade: h2c\nConnection: upgrade\nSec-WebSocket-Accept: " ACCEPT "\n", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_fields fields = fields_of(rows[i].fields);

        assert_row(slice_of_string(rows[i].fields),
                   websocket_is_accepted(&fields, SLICE(ACCEPT)) == rows[i].is_accepted);
    }
}

enum end { AT_BORDER, INSIDE, CLOSED, LOST };

#define CLIENT true
#define SERVER false
#define MASK "\x11\x22\x33\x44"

static const struct flow_row {
    struct slice name, bytes;
    bool is_from_client;
    enum end end;
    unsigned code;
} flows[] = {
    {SLICE("nothing"), SLICE(""), SERVER, AT_BORDER, 0},
    {SLICE("an empty text"), SLICE("\x81\x00"), SERVER, AT_BORDER, 0},
    {SLICE("a text"), SLICE("\x81\x05hello"), SERVER, AT_BORDER, 0},
    {SLICE("a masked text"), SLICE("\x81\x85" MASK "hello"), CLIENT, AT_BORDER, 0},
    {SLICE("a masked empty text"), SLICE("\x81\x80" MASK), CLIENT, AT_BORDER, 0},
    {SLICE("compressed"), SLICE("\xc1\x05hello"), SERVER, AT_BORDER, 0},
    {SLICE("16 bits of length"),
     SLICE("\x82\x7e\x00\x03"
           "abc"),
     SERVER, AT_BORDER, 0},
    {SLICE("64 bits of length"),
     SLICE("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x03"
           "abc"),
     SERVER, AT_BORDER, 0},
    {SLICE("a masked long length"), SLICE("\x82\xfe\x00\x03" MASK "abc"), CLIENT, AT_BORDER, 0},
    {SLICE("fragments around a ping"),
     SLICE("\x01\x01"
           "a"
           "\x89\x01"
           "p"
           "\x00\x01"
           "b"
           "\x80\x01"
           "c"),
     SERVER, AT_BORDER, 0},
    {SLICE("between fragments"),
     SLICE("\x01\x01"
           "a"),
     SERVER, AT_BORDER, 0},
    {SLICE("pings and pongs"), SLICE("\x89\x00\x8a\x00"), SERVER, AT_BORDER, 0},

    {SLICE("one byte"), SLICE("\x81"), SERVER, INSIDE, 0},
    {SLICE("a head"), SLICE("\x81\x05"), SERVER, INSIDE, 0},
    {SLICE("half a payload"), SLICE("\x81\x05hel"), SERVER, INSIDE, 0},
    {SLICE("half a length"), SLICE("\x82\x7f\x00\x00\x00"), SERVER, INSIDE, 0},
    {SLICE("half a mask"), SLICE("\x81\x85\x11\x22"), CLIENT, INSIDE, 0},
    {SLICE("a whole one and the next's first byte"),
     SLICE("\x81\x01"
           "a\x81"),
     SERVER, INSIDE, 0},
    {SLICE("the largest length"),
     SLICE("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"
           "abc"),
     SERVER, INSIDE, 0},
    {SLICE("half a close code"), SLICE("\x88\x02\x03"), SERVER, INSIDE, 0},

    {SLICE("closed"), SLICE("\x88\x02\x03\xe8"), SERVER, CLOSED, 1000},
    {SLICE("closed with words"),
     SLICE("\x88\x05\x03\xe9"
           "bye"),
     SERVER, CLOSED, 1001},
    {SLICE("closed without a code"), SLICE("\x88\x00"), SERVER, CLOSED, WEBSOCKET_NO_CODE},
    {SLICE("closed with half a code"), SLICE("\x88\x01\x03"), SERVER, CLOSED, WEBSOCKET_NO_CODE},
    {SLICE("closed under a mask"), SLICE("\x88\x82" MASK "\x12\xca"), CLIENT, CLOSED, 1000},
    {SLICE("closed without a code, masked"), SLICE("\x88\x80" MASK), CLIENT, CLOSED, WEBSOCKET_NO_CODE},
    {SLICE("closed, and what nobody should say"), SLICE("\x88\x02\x03\xe8\x88\x02\x03\xe9"), SERVER, CLOSED, 1000},
    {SLICE("closed inside a message"),
     SLICE("\x01\x01"
           "a"
           "\x88\x02\x0f\xa0"),
     SERVER, CLOSED, 4000},

    {SLICE("no WebSocket"), SLICE("SSH-2.0-OpenSSH_9\r\n"), SERVER, LOST, 0},
    {SLICE("HTTP"), SLICE("HTTP/1.1 200 OK\r\n"), SERVER, LOST, 0},
    {SLICE("a client without a mask"), SLICE("\x81\x05hello"), CLIENT, LOST, 0},
    {SLICE("a server with one"), SLICE("\x81\x85" MASK "hello"), SERVER, LOST, 0},
    {SLICE("a reserved opcode"), SLICE("\x83\x00"), SERVER, LOST, 0},
    {SLICE("a reserved control opcode"), SLICE("\x8b\x00"), SERVER, LOST, 0},
    {SLICE("a fragmented ping"), SLICE("\x09\x00"), SERVER, LOST, 0},
    {SLICE("a long ping"), SLICE("\x89\x7e\x00\x80"), SERVER, LOST, 0},
    {SLICE("a continuation of nothing"),
     SLICE("\x80\x01"
           "a"),
     SERVER, LOST, 0},
    {SLICE("a message inside a message"),
     SLICE("\x01\x01"
           "a"
           "\x81\x01"
           "b"),
     SERVER, LOST, 0},
    {SLICE("a length with its first bit set"),
     SLICE("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x03"
           "abc"),
     SERVER, LOST, 0},
};

static void assert_end(const struct flow_row *row, const struct websocket_flow *flow) {
    assert_row(row->name, websocket_flow_is_at_border(flow) == (row->end == AT_BORDER));
    assert_row(row->name, websocket_flow_has_closed(flow) == (row->end == CLOSED));
    assert_row(row->name, flow->is_lost == (row->end == LOST));
    assert_row(row->name, (websocket_flow_to_border(flow) > 0) == (row->end == INSIDE));
    if (row->end == CLOSED)
        assert_row(row->name, flow->close_code == row->code);
}

static void frames_at_once_and_in_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
        for (size_t step = 1; step <= flows[i].bytes.n + 1; step++) {
            struct websocket_flow flow;

            websocket_flow_init(&flow, flows[i].is_from_client);
            for (size_t at = 0; at < flows[i].bytes.n; at += step) {
                _cleanup_slice_ struct slice piece = exact_copy(slice_first(slice_from(flows[i].bytes, at), step));

                websocket_flow_pass(&flow, piece);
            }
            assert_end(&flows[i], &flow);
        }
    }
}

/* Whoever reads no more than it says never reads past a border. */
static void the_way_to_the_border(void **state) {
    static const struct slice frame = SLICE("\x82\x7e\x01\x00");
    char payload[256] = {0};
    struct websocket_flow flow;
    size_t at;

    (void)state;
    websocket_flow_init(&flow, SERVER);
    assert_int_equal(websocket_flow_to_border(&flow), 0);
    for (at = 0; at < frame.n; at++) {
        websocket_flow_pass(&flow, slice_first(slice_from(frame, at), 1));
        assert_int_equal(websocket_flow_to_border(&flow), at + 1 < frame.n ? 1 : 256);
    }
    websocket_flow_pass(&flow, slice_of(payload, 200));
    assert_int_equal(websocket_flow_to_border(&flow), 56);
    websocket_flow_pass(&flow, slice_of(payload, 56));
    assert_int_equal(websocket_flow_to_border(&flow), 0);
    assert_true(websocket_flow_is_at_border(&flow));
}

/* Long frames cost no more than short ones: only heads are looked at. */
static void a_long_frame(void **state) {
    static char payload[1 << 20];
    struct websocket_flow flow;

    (void)state;
    websocket_flow_init(&flow, SERVER);
    websocket_flow_pass(&flow, SLICE("\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00"));
    for (unsigned i = 0; i < 1024; i++) {
        assert_int_equal(websocket_flow_to_border(&flow), (uint64_t)(1024 - i) << 20);
        websocket_flow_pass(&flow, slice_of(payload, sizeof(payload)));
    }
    assert_true(websocket_flow_is_at_border(&flow));
}

static void close_frames_of_our_own(void **state) {
    char frame[WEBSOCKET_CLOSE_MAX];

    (void)state;
    for (unsigned is_from_client = 0; is_from_client < 2; is_from_client++) {
        struct websocket_flow flow;
        size_t n = websocket_close_frame(1001, is_from_client, frame);

        assert_int_equal(n, is_from_client ? 8 : 4);
        websocket_flow_init(&flow, is_from_client);
        websocket_flow_pass(&flow, slice_of(frame, n));
        assert_true(websocket_flow_has_closed(&flow));
        assert_int_equal(flow.close_code, 1001);
    }
    assert_memory_equal(frame, "\x88\x82\0\0\0\0\x03\xe9", 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks),
        cmocka_unit_test(what_a_handshake_needs),
        cmocka_unit_test(the_key),
        cmocka_unit_test(the_accept),
        cmocka_unit_test(what_an_answer_needs),
        cmocka_unit_test(frames_at_once_and_in_pieces),
        cmocka_unit_test(the_way_to_the_border),
        cmocka_unit_test(a_long_frame),
        cmocka_unit_test(close_frames_of_our_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
