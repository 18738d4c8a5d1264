#include "relay/connection.h"

#include "unit_connection.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 §1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define UPGRADE "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
#define SOCKET_OF(key) "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " key "\r\n"
#define HANDSHAKE "GET /ws HTTP/1.1\r\n" HOST UPGRADE SOCKET_OF(KEY) "\r\n"
#define HANDSHAKE_TRACE "GET /ws none Sec-WebSocket-Version=13 Sec-WebSocket-Key=" KEY " upgrade end "

static const struct exchange_rules rules = {
    .door = DOOR_LISTENER,
    .may_upgrade = true,
    .protected_fields = {SLICE("X-User"), SLICE("X-Forwarded-For"), SLICE("X.Odd")},
    .n_protected = 3,
};
static const struct exchange_rules rules_without_upgrade = {.door = DOOR_LISTENER};

/* What the owner was given of a connection that has become a tunnel. */
static struct {
    unsigned times;
    char early[256];
    size_t n_early;
} switched_to;

static void switched(struct connection *c) {
    struct slice early = buf_slice(&c->in);

    assert_ptr_equal(c, &connection);
    assert_int_equal(c->exchange.status, 101);
    assert_false(timer_is_set(&c->read_timer) || timer_is_set(&c->write_timer));
    assert_true(early.n < sizeof(switched_to.early));
    memcpy(switched_to.early, early.p, early.n);
    switched_to.n_early = early.n;
    switched_to.times++;
    connection_done(c);
}

static const struct connection_owner owner = {
    .rules = &rules, .timeouts = &timeouts, .refused = refused, .closed = closed, .switched = switched};
static const struct connection_owner owner_without_tunnels = {
    .rules = &rules, .timeouts = &timeouts, .refused = refused, .closed = closed};
static const struct connection_owner owner_without_upgrade = {
    .rules = &rules_without_upgrade, .timeouts = &timeouts, .refused = refused, .closed = closed, .switched = switched};

static int open_listener(void **state) {
    (void)state;
    memset(&switched_to, 0, sizeof(switched_to));
    return open_for(&owner);
}

static void which_host_was_asked_for(void **state) {
    static const struct {
        struct slice request;
        const char *host, *trace;
    } rows[] = {
        {SLICE("GET /a HTTP/1.1\r\nHost: Here.example:8443\r\n\r\n"), "Here.example:8443", "GET /a none end "},
        {SLICE("GET /a HTTP/1.0\r\n\r\n"), "", "GET /a none end "},
        {SLICE("GET http://here.example/a?b HTTP/1.1\r\nHost: here.example\r\n\r\n"), "here.example",
         "GET /a?b none end "},
        {SLICE("GET http://here.example:80/a HTTP/1.1\r\nHost: HERE.example.\r\n\r\n"), "here.example:80",
         "GET /a none end "},
        {SLICE("GET https://here.example HTTP/1.1\r\nHost: here.example:443\r\n\r\n"), "here.example",
         "GET / none end "},
        {SLICE("GET http://here.example/a HTTP/1.0\r\n\r\n"), "here.example", "GET /a none end "},
        {SLICE("OPTIONS * HTTP/1.1\r\nHost: here.example\r\n\r\n"), "here.example", "OPTIONS * none end "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(open_listener(NULL), 0);
        send_and_step(rows[i].request);
        assert_string_equal(far.trace, rows[i].trace);
        assert_string_equal(far.host, rows[i].host);
        assert_int_equal(close_connection(NULL), 0);
    }
}

/* Each closes the connection, and not one byte of it reaches the upstream. */
static void requests_that_are_refused(void **state) {
    static const struct {
        struct slice request;
        unsigned status;
    } rows[] = {
        {SLICE("GET / HTTP/1.1\r\n\r\n"), 400},
        {SLICE("GET http://a.example/ HTTP/1.1\r\n\r\n"), 400},
        {SLICE("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n"), 400},
        {SLICE("GET http://a.example/ HTTP/1.1\r\nHost: a.example:443\r\n\r\n"), 400},
        {SLICE("GET https://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n"), 400},
        {SLICE("GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400},
        {SLICE("GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400},
        {SLICE("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "X_User: a\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "Anything_at-all: a\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "x.user: a\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "X-Forwarded.For: a\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "X-Odd: a\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "Connection: X-User\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST "Connection: x.user\r\nx.user: a\r\n\r\n"), 400},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX-User: a\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"),
         426},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Key: " KEY "\r\n\r\n"), 426},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE SOCKET_OF("short") "\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE "Connection: Sec-WebSocket-Key\r\n" SOCKET_OF(KEY) "\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE SOCKET_OF(KEY) "Content-Length: 2\r\n\r\nxx"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE SOCKET_OF(KEY) "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char start[32];

        assert_int_equal(open_listener(NULL), 0);
        send_and_step(rows[i].request);
        (void)snprintf(start, sizeof(start), "HTTP/1.1 %u ", rows[i].status);
        assert_row(rows[i].request, slice_starts_with(slice_of(said, said_n), slice_of_string(start)));
        assert_non_null(strstr(said, "\r\nConnection: close\r\n"));
        assert_null(strstr(said, "lease"));
        assert_int_equal(owner_heard.status, rows[i].status);
        assert_row(rows[i].request, far.n == 0);
        assert_closes();
        assert_int_equal(close_connection(NULL), 0);
    }
}

/* A name that is trusted is not its own alias, and neither is any other. */
static void fields_that_are_no_aliases(void **state) {
    (void)state;
    send_and_step(SLICE("GET / HTTP/1.1\r\n" HOST "x-user: a\r\nX.Odd: b\r\nX-Users: c\r\nA.b: d\r\n\r\n"));
    assert_string_equal(far.trace, "GET / none x-user=a X.Odd=b X-Users=c A.b=d end ");
}

static void our_own_answers(void **state) {
    static const int results[] = {-EAGAIN, -EPIPE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        assert_int_equal(open_listener(NULL), 0);
        far.begin_result = results[i];
        send_and_step(SLICE(GET("/")));
        assert_true(
            slice_starts_with(slice_of_string(body_of(said)), SLICE("{\"error\":\"unavailable\",\"reason\":\"")));
        assert_null(strstr(said, "keeper"));
        assert_null(strstr(said, "lease"));
        assert_int_equal(close_connection(NULL), 0);
    }
}

static void an_old_version_is_told_the_right_one(void **state) {
    (void)state;
    send_and_step(
        SLICE("GET / HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"));
    assert_non_null(strstr(said, "HTTP/1.1 426 Upgrade Required\r\n"));
    assert_non_null(strstr(said, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(said, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(said, "\r\nConnection: Upgrade\r\n"));
}

static const struct http_field switch_fields[] = {{SLICE("Sec-WebSocket-Accept"), SLICE(ACCEPT)},
                                                  {SLICE("Sec-WebSocket-Protocol"), SLICE("chat")}};
static const struct upstream_event right_switch = {.type = UPSTREAM_SWITCH,
                                                   .response = {.status = 101, .fields = switch_fields, .n_fields = 2}};

#define SWITCHED_SAID                                                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT   \
    "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"

static void an_upgrade(void **state) {
    (void)state;
    send_and_step(SLICE(HANDSHAKE));
    assert_string_equal(far.trace, HANDSHAKE_TRACE);
    assert_said("");
    answer(&right_switch);
    step();
    assert_said(SWITCHED_SAID);
    assert_int_equal(switched_to.times, 1);
    assert_int_equal(switched_to.n_early, 0);
    assert_int_equal(owner_heard.closed, 0); /* it lives on, elsewhere */
    assert_string_equal(far.trace, HANDSHAKE_TRACE);
}

/* It is no tunnel before the client has all of the 101. */
static void an_upgrade_of_a_slow_client(void **state) {
    (void)state;
    send_and_step(SLICE(HANDSHAKE));
    answer(&right_switch);
    connection.client.watch.ready &= ~(uint32_t)EPOLLOUT;
    connection_step(&connection);
    assert_int_equal(connection.state, WAIT_SWITCH);
    assert_int_equal(switched_to.times, 0);
    assert_true(timer_is_set(&connection.write_timer));
    step();
    assert_said(SWITCHED_SAID);
    assert_int_equal(switched_to.times, 1);
}

static void a_client_that_leaves_before_its_101(void **state) {
    (void)state;
    send_and_step(SLICE(HANDSHAKE));
    answer(&right_switch);
    connection.client.watch.ready &= ~(uint32_t)EPOLLOUT;
    connection_step(&connection);
    fd_close(&client);
    step();
    assert_int_equal(switched_to.times, 0);
    assert_int_equal(owner_heard.closed, 1);
    assert_string_equal(far.trace, HANDSHAKE_TRACE "abandoned:0 ");
}

/* What comes before the 101 is held, and then belongs to the tunnel. */
static void early_bytes(void **state) {
    (void)state;
    send_and_step(SLICE(HANDSHAKE "\x81\x80\1\2\3\4"));
    assert_string_equal(far.trace, HANDSHAKE_TRACE);
    assert_slice(slice_of(far.body, far.body_n), "");
    answer(&right_switch);
    step();
    assert_int_equal(switched_to.times, 1);
    assert_slice(slice_of(switched_to.early, switched_to.n_early), "\x81\x80\1\2\3\4");
}

/* Without a 101 they are HTTP again. */
static void early_bytes_without_a_switch(void **state) {
    struct upstream_event event = whole(403, SLICE("no"));

    (void)state;
    send_and_step(SLICE(HANDSHAKE GET("/2")));
    assert_string_equal(far.trace, HANDSHAKE_TRACE);
    answer(&event);
    step();
    assert_said("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    assert_string_equal(far.trace, HANDSHAKE_TRACE "GET /2 none end ");
    assert_int_equal(switched_to.times, 0);
}

static void early_bytes_that_are_no_request(void **state) {
    struct upstream_event event = whole(403, SLICE("no"));

    (void)state;
    send_and_step(SLICE(HANDSHAKE "\x81\x80\1\2\3\4"));
    answer(&event);
    step();
    assert_non_null(strstr(said, "HTTP/1.1 403 "));
    assert_non_null(strstr(said, "HTTP/1.1 400 "));
    assert_string_equal(far.trace, HANDSHAKE_TRACE);
    assert_closes();
}

/* Bounded: what does not fit stays in the kernel, and its sender waits. */
static void endless_early_bytes(void **state) {
    static char block[60000];
    size_t sent = 0;
    ssize_t n;

    (void)state;
    send_and_step(SLICE(HANDSHAKE));
    while ((n = send(client, block, sizeof(block), MSG_DONTWAIT)) > 0) {
        sent += (size_t)n;
        step();
        assert_true(sent < 10000000);
    }
    assert_true(buf_length(&connection.in) <= LIMIT_HEAD + LIMIT_READ);
}

/* Anything else in Upgrade is nobody's business beyond this hop. */
static void other_upgrades(void **state) {
    static const struct slice requests[] = {
        SLICE("GET /1 HTTP/1.1\r\n" HOST
              "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"),
        SLICE("GET /1 HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n"),
        SLICE("GET /1 HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        assert_int_equal(open_listener(NULL), 0);
        send_and_step(requests[i]);
        assert_string_equal(far.trace, "GET /1 none end ");
        assert_int_equal(close_connection(NULL), 0);
    }
}

static void where_nothing_is_upgraded(void **state) {
    static const struct connection_owner *const owners[] = {&owner_without_upgrade, &owner_without_tunnels};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        assert_int_equal(open_for(owners[i]), 0);
        send_and_step(SLICE(HANDSHAKE));
        assert_string_equal(far.trace, "GET /ws none Sec-WebSocket-Version=13 Sec-WebSocket-Key=" KEY " end ");
        answer(&right_switch);
        step();
        assert_said("");
        assert_int_equal(owner_heard.closed, 1);
        assert_int_equal(close_connection(NULL), 0);
    }
}

static void a_switch_that_nobody_asked_for(void **state) {
    (void)state;
    send_and_step(SLICE(GET("/")));
    answer(&right_switch);
    step();
    assert_said("");
    assert_int_equal(switched_to.times, 0);
    assert_int_equal(owner_heard.closed, 1);
}

#define listener_test(name) cmocka_unit_test_setup_teardown(name, open_listener, close_connection)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_host_was_asked_for),
        cmocka_unit_test(requests_that_are_refused),
        listener_test(fields_that_are_no_aliases),
        cmocka_unit_test(our_own_answers),
        listener_test(an_old_version_is_told_the_right_one),
        listener_test(an_upgrade),
        listener_test(an_upgrade_of_a_slow_client),
        listener_test(a_client_that_leaves_before_its_101),
        listener_test(early_bytes),
        listener_test(early_bytes_without_a_switch),
        listener_test(early_bytes_that_are_no_request),
        listener_test(endless_early_bytes),
        cmocka_unit_test(other_upgrades),
        cmocka_unit_test(where_nothing_is_upgraded),
        listener_test(a_switch_that_nobody_asked_for),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
