/* What a connection accepts that came through a base_url door or a proxy's: rules that other doors have no use for. */
#include "unit_connection.h"

#define PREFIX "0123456789abcdef0123456789abcdef"
#define HOST_A "Host: api.example\r\n"

static struct exchange_rules rules;
static const struct connection_owner owner = {
    .rules = &rules, .timeouts = &timeouts, .refused = refused, .closed = closed};

struct row {
    struct slice request;
    const char *trace; /* what reaches the upstream; empty: nothing */
    unsigned status;   /* of the refusal */
};

static void assert_rows(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(open_for(&owner), 0);
        send_and_step(rows[i].request);
        if (strcmp(far.trace, rows[i].trace) != 0 || owner_heard.status != rows[i].status)
            fail_msg("row %zu: \"%s\", status %u", i, far.trace, owner_heard.status);
        assert_int_equal(close_connection(NULL), 0);
    }
}

static void a_prefix_is_asked_for_and_cut_off(void **state) {
    static const struct row rows[] = {
        {SLICE("GET /" PREFIX "/a?b HTTP/1.1\r\n" HOST "\r\n"), "GET /a?b none end ", 0},
        {SLICE("GET /" PREFIX " HTTP/1.1\r\n" HOST "\r\n"), "GET / none end ", 0},
        {SLICE("GET /" PREFIX "?b HTTP/1.1\r\n" HOST "\r\n"), "GET /?b none end ", 0},
        {SLICE("GET /" PREFIX "//a HTTP/1.1\r\n" HOST "\r\n"), "GET //a none end ", 0},
        {SLICE("GET /" PREFIX "/" PREFIX "/a HTTP/1.1\r\n" HOST "\r\n"), "GET /" PREFIX "/a none end ", 0},
        {SLICE("GET / HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET /a HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET /a/" PREFIX " HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET //" PREFIX "/a HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET /" PREFIX "0/a HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET /0123456789abcdef0123456789abcde/a HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET /0123456789ABCDEF0123456789ABCDEF/a HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("GET /%30123456789abcdef0123456789abcdef/a HTTP/1.1\r\n" HOST "\r\n"), "", 404},
        {SLICE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), "", 404},
    };

    (void)state;
    rules = (struct exchange_rules){.door = DOOR_LEASE, .prefix = SLICE(PREFIX), .lease = "acme"};
    assert_rows(rows, ARRAY_LEN(rows));
}

static void the_base_path_is_cut_off(void **state) {
    static const struct row rows[] = {
        {SLICE("GET /v1/x/a?b HTTP/1.1\r\n" HOST_A "\r\n"), "GET /a?b none end ", 0},
        {SLICE("GET /v1/x HTTP/1.1\r\n" HOST_A "\r\n"), "GET / none end ", 0},
        {SLICE("GET /v1/x/../a HTTP/1.1\r\n" HOST_A "\r\n"), "GET /../a none end ",
         0}, /* the keeper's rules judge it */
        {SLICE("GET /v1/xa HTTP/1.1\r\n" HOST_A "\r\n"), "", 403},
        {SLICE("GET /v1 HTTP/1.1\r\n" HOST_A "\r\n"), "", 403},
        {SLICE("GET /a HTTP/1.1\r\n" HOST_A "\r\n"), "", 403},
        {SLICE("GET /V1/x/a HTTP/1.1\r\n" HOST_A "\r\n"), "", 403},
    };

    (void)state;
    rules = (struct exchange_rules){
        .door = DOOR_PROXY, .authority = SLICE("api.example"), .default_port = 443, .base_path = SLICE("/v1/x")};
    assert_rows(rows, ARRAY_LEN(rows));
    assert_int_equal(open_for(&owner), 0);
    send_and_step(SLICE("GET /a HTTP/1.1\r\n" HOST_A "\r\n"));
    assert_non_null(strstr(said, "\"rule\":\"upstream\""));
    assert_non_null(strstr(said, "\"hint\":\"ask for a path beneath /v1/x, or "));
    assert_int_equal(close_connection(NULL), 0);
}

static void a_request_is_for_its_connections_authority(void **state) {
    static const struct row rows[] = {
        {SLICE("GET /a HTTP/1.1\r\n" HOST_A "\r\n"), "GET /a none end ", 0},
        {SLICE("GET /a HTTP/1.1\r\nHost: API.example.:443\r\n\r\n"), "GET /a none end ", 0},
        {SLICE("GET https://api.example/a HTTP/1.1\r\n" HOST_A "\r\n"), "GET /a none end ", 0},
        {SLICE("GET https://api.example:443/a HTTP/1.1\r\n" HOST_A "\r\n"), "GET /a none end ", 0},
        {SLICE("GET /a HTTP/1.1\r\nHost: api.example:80\r\n\r\n"), "", 421},
        {SLICE("GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "", 421},
        {SLICE("GET /a HTTP/1.1\r\nHost: api.example.evil.example\r\n\r\n"), "", 421},
        {SLICE("GET https://evil.example/a HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "", 421},
        {SLICE("GET http://api.example/a HTTP/1.1\r\n" HOST_A "\r\n"), "", 421}, /* another scheme, so another port */
        {SLICE("GET http://api.example:443/a HTTP/1.1\r\nHost: api.example:443\r\n\r\n"), "", 421},
        {SLICE("GET https://api.example/a HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "", 400},
        {SLICE("GET https://u@api.example/a HTTP/1.1\r\n" HOST_A "\r\n"), "", 400},
        {SLICE("GET /a HTTP/1.0\r\n\r\n"), "", 421},
        {SLICE("CONNECT api.example:443 HTTP/1.1\r\n" HOST_A "\r\n"), "", 400},
    };

    (void)state;
    rules = (struct exchange_rules){.door = DOOR_PROXY, .authority = SLICE("api.example"), .default_port = 443};
    assert_rows(rows, ARRAY_LEN(rows));
}

static void a_single_exchange_is_the_last(void **state) {
    (void)state;
    rules = (struct exchange_rules){
        .door = DOOR_PROXY, .authority = SLICE("api.example"), .default_port = 80, .is_single = true};
    assert_int_equal(open_for(&owner), 0);
    far.answers_itself = true;
    send_and_step(SLICE("GET http://api.example/a HTTP/1.1\r\n" HOST_A
                        "\r\nGET http://api.example/b HTTP/1.1\r\n" HOST_A "\r\n"));
    assert_string_equal(far.trace, "GET /a none end ");
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/a");
    assert_closes();
    assert_int_equal(close_connection(NULL), 0);
}

static void a_busy_upstream_is_told_in_words(void **state) {
    (void)state;
    rules = (struct exchange_rules){.door = DOOR_PROXY, .authority = SLICE("api.example"), .default_port = 443};
    assert_int_equal(open_for(&owner), 0);
    far.begin_result = -EPIPE;
    send_and_step(SLICE("GET /a HTTP/1.1\r\n" HOST_A "\r\n"));
    assert_int_equal(owner_heard.status, 503);
    assert_string_equal(owner_heard.reason, "the keeper is gone");
    assert_int_equal(close_connection(NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_asked_for_and_cut_off),          cmocka_unit_test(the_base_path_is_cut_off),
        cmocka_unit_test(a_request_is_for_its_connections_authority), cmocka_unit_test(a_single_exchange_is_the_last),
        cmocka_unit_test(a_busy_upstream_is_told_in_words),
    };

    assert_int_equal(loop_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
