#include "fleet/link/proxy.h"

#include <errno.h>

#include "unit.h"

static void proxies_are_taken_apart(void **state) {
    static const struct {
        struct slice text;
        const char *host;
        uint16_t port;
        const char *user_info;
    } rows[] = {
        {SLICE("http://proxy.example.org:3128"), "proxy.example.org", 3128, ""},
        {SLICE("http://proxy.example.org:3128/"), "proxy.example.org", 3128, ""},
        {SLICE("HTTP://proxy"), "proxy", 80, ""},
        {SLICE("proxy:8080"), "proxy", 8080, ""},
        {SLICE("http://user:pass@10.0.0.1:1"), "10.0.0.1", 1, "user:pass"},
        {SLICE("http://user:p@ss@[::1]:3128"), "::1", 3128, "user:p@ss"},
        {SLICE("user@proxy"), "proxy", 80, "user"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy got;

        assert_row(rows[i].text, !proxy_parse(rows[i].text, &got));
        assert_string_equal(got.host, rows[i].host);
        assert_int_equal(got.port, rows[i].port);
        assert_slice(got.user_info, rows[i].user_info);
    }
}

static void what_is_no_proxy_is_refused(void **state) {
    static const struct slice rows[] = {
        SLICE("https://proxy"), SLICE("socks5://proxy"), SLICE("http://"),       SLICE("http://:3128"),
        SLICE("proxy:0"),       SLICE("proxy:65536"),    SLICE("proxy:x"),       SLICE("http://proxy/path"),
        SLICE("http://pro xy"), SLICE("[::1"),           SLICE("http://p\r\nx"), SLICE(""),
        SLICE("http://user@"),
    };
    struct proxy got = {.port = 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i], proxy_parse(rows[i], &got) != NULL);
    assert_int_equal(got.port, 7); /* untouched */
}

static void credentials_are_decoded_and_encoded(void **state) {
    static const struct {
        struct slice text;
        const char *field;
    } rows[] = {
        {SLICE("user:pass@p"), "Basic dXNlcjpwYXNz"},
        {SLICE("user@p"), "Basic dXNlcjo="},
        {SLICE("us%40er:p%3Aa%20s@p"), "Basic dXNAZXI6cDphIHM="}, /* us@er:p:a s */
        {SLICE("user:a:b@p"), "Basic dXNlcjphOmI="},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy proxy;
        struct buf field;

        buf_init_secret(&field, 4096);
        assert_null(proxy_parse(rows[i].text, &proxy));
        assert_int_equal(proxy_write_authorization(&proxy, &field), 0);
        assert_slice(buf_slice(&field), rows[i].field);
        buf_release(&field);
    }
}

/* Its reader would cut it at the wrong colon. */
static void a_name_with_a_colon_is_refused(void **state) {
    struct proxy proxy;
    struct buf field;

    (void)state;
    buf_init_secret(&field, 4096);
    assert_null(proxy_parse(SLICE("us%3Aer:pass@p"), &proxy));
    assert_int_equal(proxy_write_authorization(&proxy, &field), -EINVAL);
    assert_true(buf_is_empty(&field));
    buf_release(&field);
}

static struct uri_upstream place(const char *url) {
    struct uri_upstream place;

    assert_null(uri_parse_upstream(slice_of_string(url), &place));
    return place;
}

static void no_proxy_is_read_as_curl_reads_it(void **state) {
    static const struct {
        struct slice no_proxy;
        const char *url;
        bool has;
    } rows[] = {
        {SLICE(""), "wss://hub.example.org", false},
        {SLICE("*"), "wss://hub.example.org", true},
        {SLICE("a,*"), "wss://10.0.0.1", true},
        {SLICE("hub.example.org"), "wss://hub.example.org", true},
        {SLICE("HUB.example.ORG"), "wss://hub.Example.org", true},
        {SLICE("example.org"), "wss://hub.example.org", true},
        {SLICE(".example.org"), "wss://hub.example.org", true},
        {SLICE(".example.org"), "wss://example.org", true},
        {SLICE("*.example.org"), "wss://hub.example.org", true},
        {SLICE("example.org."), "wss://hub.example.org", true},
        {SLICE("ample.org"), "wss://hub.example.org", false},
        {SLICE("hub.example.org.evil.net"), "wss://hub.example.org", false},
        {SLICE("a.net, b.net\thub.example.org"), "wss://hub.example.org", true},
        {SLICE(",,example.org,,"), "wss://hub.example.org", true},
        {SLICE("example.org:443"), "wss://hub.example.org", true},
        {SLICE("example.org:8443"), "wss://hub.example.org", false},
        {SLICE("example.org:8443"), "wss://hub.example.org:8443", true},
        {SLICE("example.org:x"), "wss://hub.example.org", false},
        {SLICE("example.org:"), "wss://hub.example.org", false},
        {SLICE("localhost"), "wss://localhost:1", true},
        {SLICE("127.0.0.1"), "wss://127.0.0.1", true},
        {SLICE("127.0.0.1"), "wss://127.0.0.10", false},
        {SLICE("10.0.0.0/8"), "wss://10.1.2.3", true},
        {SLICE("10.9.9.9/8"), "wss://10.1.2.3", true},
        {SLICE("10.0.0.0/8"), "wss://11.1.2.3", false},
        {SLICE("10.0.0.0/33"), "wss://10.0.0.0", false},
        {SLICE("10.0.0.0/"), "wss://10.0.0.0", false},
        {SLICE("0.0.0.0/0"), "wss://10.0.0.1", true},
        {SLICE("10.0.0.0/8"), "wss://hub.example.org", false},
        {SLICE("fd00::/8"), "wss://[fd12::1]", true},
        {SLICE("::1"), "wss://[::1]", true},
        {SLICE("[::1]"), "wss://[::1]", true},
        {SLICE("[::1]:8443"), "wss://[::1]:8443", true},
        {SLICE("[::1]:8443"), "wss://[::1]", false},
        {SLICE("["), "wss://[::1]", false},
        {SLICE("."), "wss://hub.example.org", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uri_upstream hub = place(rows[i].url);

        assert_row(rows[i].no_proxy, no_proxy_has(rows[i].no_proxy, &hub) == rows[i].has);
    }
}

static void the_environment_is_asked_in_both_spellings(void **state) {
    const char *proxy, *no_proxy;

    (void)state;
    assert_int_equal(unsetenv("HTTPS_PROXY") | unsetenv("https_proxy") | unsetenv("NO_PROXY") | unsetenv("no_proxy"),
                     0);
    proxy_of_environment(&proxy, &no_proxy);
    assert_string_equal(proxy, "");
    assert_string_equal(no_proxy, "");
    assert_int_equal(setenv("https_proxy", "small", 1) | setenv("no_proxy", "no-small", 1), 0);
    proxy_of_environment(&proxy, &no_proxy);
    assert_string_equal(proxy, "small");
    assert_string_equal(no_proxy, "no-small");
    assert_int_equal(setenv("HTTPS_PROXY", "large", 1) | setenv("NO_PROXY", "no-large", 1), 0);
    proxy_of_environment(&proxy, &no_proxy);
    assert_string_equal(proxy, "large");
    assert_string_equal(no_proxy, "no-large");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxies_are_taken_apart),
        cmocka_unit_test(what_is_no_proxy_is_refused),
        cmocka_unit_test(credentials_are_decoded_and_encoded),
        cmocka_unit_test(a_name_with_a_colon_is_refused),
        cmocka_unit_test(no_proxy_is_read_as_curl_reads_it),
        cmocka_unit_test(the_environment_is_asked_in_both_spellings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
