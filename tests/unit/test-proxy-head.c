#include "egress/door/proxy_head.h"

#include "unit.h"

static enum proxy_head_verdict read_head(struct slice text, struct proxy_ask *ret, size_t *ret_length,
                                         struct problem *ret_why) {
    _cleanup_slice_ struct slice in = exact_copy(text);
    struct http_head_scan scan = {0};

    return proxy_head_read(&scan, in, ret, ret_length, ret_why);
}

static void a_tunnel_is_asked_for(void **state) {
    static const struct slice rows[] = {
        SLICE("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n"),
        SLICE("CONNECT API.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nProxy-Authorization: Basic eDp5\r\n"
              "Proxy-Connection: keep-alive\r\nUser-Agent: x\r\n\r\n"),
        SLICE("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"),
        SLICE("CONNECT api.example.com:443 HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n"),
        SLICE("CONNECT api.example.com:443 HTTP/1.0\r\n\r\n"),
        SLICE("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nContent-Length: 0\r\n\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_ask ask = {0};
        struct problem why;
        size_t length = 0;

        assert_row(rows[i], read_head(rows[i], &ask, &length, &why) == PROXY_HEAD_WHOLE);
        assert_row(rows[i], ask.is_connect && ask.is_tls && ask.target.port == 443 && length == rows[i].n);
        assert_slice(connect_target_host(&ask.target), "api.example.com");
    }
}

static void a_request_says_where_it_goes(void **state) {
    static const struct {
        struct slice text;
        const char *host;
        uint16_t port;
        bool is_tls;
    } rows[] = {
        {SLICE("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n"), "a.example", 80, false},
        {SLICE("POST http://a.example:8080/ HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\n"), "a.example", 8080,
         false},
        {SLICE("GET https://A.example HTTP/1.1\r\nHost: a.example\r\n\r\n"), "a.example", 443, true},
        {SLICE("GET http://[::1]:81/ HTTP/1.1\r\nHost: [::1]:81\r\n\r\n"), "::1", 81, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_ask ask = {0};
        struct problem why;
        size_t length = 0;

        assert_row(rows[i].text, read_head(rows[i].text, &ask, &length, &why) == PROXY_HEAD_WHOLE);
        assert_row(rows[i].text, !ask.is_connect && ask.is_tls == rows[i].is_tls && ask.target.port == rows[i].port);
        assert_slice(connect_target_host(&ask.target), rows[i].host);
    }
}

static void what_follows_the_head_is_not_part_of_it(void **state) {
    struct proxy_ask ask;
    struct problem why;
    size_t length = 0;

    (void)state;
    assert_int_equal(
        read_head(SLICE("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n\x16\x03\x01"), &ask, &length, &why),
        PROXY_HEAD_WHOLE);
    assert_int_equal(length, sizeof("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n") - 1);
}

static void it_may_come_byte_by_byte(void **state) {
    static const struct slice whole = SLICE("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n");
    struct http_head_scan scan = {0};
    struct proxy_ask ask;
    struct problem why;
    size_t length = 0;

    (void)state;
    for (size_t n = 0; n < whole.n; n++) {
        _cleanup_slice_ struct slice in = exact_copy(slice_first(whole, n));

        assert_int_equal(proxy_head_read(&scan, in, &ask, &length, &why), PROXY_HEAD_MORE);
    }
    assert_int_equal(proxy_head_read(&scan, whole, &ask, &length, &why), PROXY_HEAD_WHOLE);
}

static void each_refusal_says_why(void **state) {
    static const struct {
        struct slice text;
        unsigned status;
        const char *word; /* of the reason */
    } rows[] = {
        {SLICE("\x04\x01\x01\xbb\x7f\0\0\x01\0"), 400, "SOCKS 4"},
        {SLICE("\x05"), 400, "SOCKS 5"},
        {SLICE("\x16\x03\x01\x02"), 400, "what came is TLS"},
        {SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400, "HTTP/2"},
        {SLICE("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 400, "for which host"},
        {SLICE("OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 400, "for which host"},
        {SLICE("GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400, ""},
        {SLICE("GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400, ""},
        {SLICE("GET http://127.1/ HTTP/1.1\r\nHost: 127.1\r\n\r\n"), 400, "several ways"},
        {SLICE("TRACE http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), 405, ""},
        {SLICE("\xff\xfe\r\n"), 400, ""},
        {SLICE("CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400, "no port"},
        {SLICE("CONNECT a.example:0 HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400, "1 to 65535"},
        {SLICE("CONNECT 2130706433:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "several ways"},
        {SLICE("CONNECT u@a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "a user"},
        {SLICE("CONNECT a.example.:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "ends in a dot"},
        {SLICE("CONNECT a\0b:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "NUL"},
        {SLICE("CONNECT b\xc3\xbc.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "xn--"},
        {SLICE("CONNECT http://a.example:443/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "more than a host"},
        {SLICE("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\nContent-Length: 5\r\n\r\n"), 400, "body"},
        {SLICE("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, "body"},
        {SLICE("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"), 400,
         "body"},
        {SLICE("CONNECT a.b:443 HTTP/1.1\r\nHost: c.d:443\r\n\r\n"), 400, "something else"},
        {SLICE("CONNECT a.b:443 HTTP/1.1\r\n\r\n"), 400, "Host is missing"},
        {SLICE("CONNECT a.b:443 HTTP/1.1\nHost: a.b:443\r\n\r\n"), 400, ""},
        {SLICE("CONNECT a.b:443 HTTP/2.0\r\nHost: a.b:443\r\n\r\n"), 505, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_ask ask;
        struct problem why = {0};
        size_t length;
        char reason[LIMIT_REASON + 1] = "";

        assert_row(rows[i].text, read_head(rows[i].text, &ask, &length, &why) == PROXY_HEAD_REFUSED);
        memcpy(reason, why.reason.p, why.reason.n);
        if (why.status != rows[i].status || !strstr(reason, rows[i].word))
            print_error("%u \"%s\"\n", why.status, reason);
        assert_row(rows[i].text, why.status == rows[i].status && why.reason.n > 0 && strstr(reason, rows[i].word));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tunnel_is_asked_for),
        cmocka_unit_test(a_request_says_where_it_goes),
        cmocka_unit_test(what_follows_the_head_is_not_part_of_it),
        cmocka_unit_test(it_may_come_byte_by_byte),
        cmocka_unit_test(each_refusal_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
