#include "wire/http_message.h"

#include "unit.h"

static void good_targets(void **state) {
    static const struct {
        struct slice method, target;
        enum http_target_form form;
        const char *authority, *path, *query; /* a NULL query: there is none */
    } rows[] = {
        {SLICE("GET"), SLICE("/"), HTTP_TARGET_ORIGIN, "", "/", NULL},
        {SLICE("GET"), SLICE("/a/b?c=d&e"), HTTP_TARGET_ORIGIN, "", "/a/b", "c=d&e"},
        {SLICE("GET"), SLICE("/%09%7f?%20"), HTTP_TARGET_ORIGIN, "", "/%09%7f", "%20"},
        {SLICE("GET"), SLICE("/?"), HTTP_TARGET_ORIGIN, "", "/", ""},
        {SLICE("GET"), SLICE("/a?b?c"), HTTP_TARGET_ORIGIN, "", "/a", "b?c"},
        {SLICE("GET"), SLICE("//b//%2f%2e%2E/;x=y"), HTTP_TARGET_ORIGIN, "", "//b//%2f%2e%2E/;x=y", NULL},
        {SLICE("GET"), SLICE("/\"<>[]^`{|}~!"), HTTP_TARGET_ORIGIN, "", "/\"<>[]^`{|}~!", NULL},
        {SLICE("GET"), SLICE("/http://a/"), HTTP_TARGET_ORIGIN, "", "/http://a/", NULL},
        {SLICE("OPTIONS"), SLICE("*"), HTTP_TARGET_ASTERISK, "", "*", NULL},
        {SLICE("GET"), SLICE("http://a/b?c"), HTTP_TARGET_ABSOLUTE, "a", "/b", "c"},
        {SLICE("GET"), SLICE("HTTPS://A.b:8443/"), HTTP_TARGET_ABSOLUTE, "A.b:8443", "/", NULL},
        {SLICE("GET"), SLICE("http://a"), HTTP_TARGET_ABSOLUTE, "a", "/", NULL},
        {SLICE("GET"), SLICE("http://a?b"), HTTP_TARGET_ABSOLUTE, "a", "/", "b"},
        {SLICE("GET"), SLICE("http://[::1]:80/"), HTTP_TARGET_ABSOLUTE, "[::1]:80", "/", NULL},
        {SLICE("CONNECT"), SLICE("a.b:443"), HTTP_TARGET_AUTHORITY, "a.b:443", "", NULL},
        {SLICE("CONNECT"), SLICE("[2001:db8::1]:443"), HTTP_TARGET_AUTHORITY, "[2001:db8::1]:443", "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].target);
        struct http_target target;

        assert_row(rows[i].target, http_target_parse(rows[i].method, text, &target) == HTTP_OK);
        assert_row(rows[i].target, target.form == rows[i].form);
        assert_slice(target.authority, rows[i].authority);
        assert_slice(target.path, rows[i].path);
        assert_row(rows[i].target, target.has_query == (rows[i].query != NULL));
        assert_slice(target.query, rows[i].query ? rows[i].query : "");
    }
}

static void bad_targets(void **state) {
    static const struct {
        struct slice method, target;
    } rows[] = {
        {SLICE("GET"), SLICE("")},
        {SLICE("GET"), SLICE("a")},
        {SLICE("GET"), SLICE("a/b")},
        {SLICE("GET"), SLICE("?a")},
        {SLICE("GET"), SLICE("*")},
        {SLICE("OPTIONS"), SLICE("**")},
        {SLICE("OPTIONS"), SLICE("*?a")},
        {SLICE("options"), SLICE("*")},

        {SLICE("GET"), SLICE("/a#b")},
        {SLICE("GET"), SLICE("/a\\b")},
        {SLICE("GET"), SLICE("/a b")},
        {SLICE("GET"), SLICE("/a\tb")},
        {SLICE("GET"), SLICE("/a\x01")},
        {SLICE("GET"), SLICE("/a\x7F")},
        {SLICE("GET"), SLICE("/\xC3\xA9")},
        {SLICE("GET"), SLICE("/a\0b")},
        {SLICE("GET"), SLICE("/%00")},
        {SLICE("GET"), SLICE("/%0d")},
        {SLICE("GET"), SLICE("/%0D")},
        {SLICE("GET"), SLICE("/%0a")},
        {SLICE("GET"), SLICE("/%0A")},
        {SLICE("GET"), SLICE("/?a=%00")},
        {SLICE("GET"), SLICE("/?a=%0d%0aX:%20y")},
        {SLICE("GET"), SLICE("/%")},
        {SLICE("GET"), SLICE("/%2")},
        {SLICE("GET"), SLICE("/%2g")},
        {SLICE("GET"), SLICE("/%g2")},
        {SLICE("GET"), SLICE("/%%20")},
        {SLICE("GET"), SLICE("/%u0041")},

        {SLICE("GET"), SLICE("a.b:443")},
        {SLICE("GET"), SLICE("http:/a")},
        {SLICE("GET"), SLICE("http:///a")},
        {SLICE("GET"), SLICE("http://")},
        {SLICE("GET"), SLICE("http://u@a/")},
        {SLICE("GET"), SLICE("http://u:p@a/")},
        {SLICE("GET"), SLICE("http://a:80:80/")},
        {SLICE("GET"), SLICE("http://a:65536/")},
        {SLICE("GET"), SLICE("http://[::1/")},
        {SLICE("GET"), SLICE("ftp://a/")},
        {SLICE("GET"), SLICE("ws://a/")},
        {SLICE("GET"), SLICE("file:///etc/passwd")},

        {SLICE("CONNECT"), SLICE("/")},
        {SLICE("CONNECT"), SLICE("*")},
        {SLICE("CONNECT"), SLICE("a.b")},
        {SLICE("CONNECT"), SLICE("a.b:")},
        {SLICE("CONNECT"), SLICE("u@a.b:443")},
        {SLICE("CONNECT"), SLICE("a.b:443/")},
        {SLICE("CONNECT"), SLICE("http://a.b:443")},
        {SLICE("CONNECT"), SLICE("a.b:443,c.d:443")},
    };
    struct http_target target;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].target);
        assert_row(rows[i].target, http_target_parse(rows[i].method, text, &target) == HTTP_BAD_TARGET);
    }
}

/* Every byte, alone in a path: 0x21-0x7E without `#`, the backslash and a lone `%`. */
static void each_byte_in_a_target(void **state) {
    struct http_target target;

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'/', (char)c};
        bool is_good = c >= 0x21 && c <= 0x7E && c != '#' && c != '\\' && c != '%';

        assert_int_equal(http_target_parse(SLICE("GET"), slice_of(text, 2), &target) == HTTP_OK, is_good);
    }
}

static enum http_fault check_host(struct slice head, struct slice *ret) {
    static struct http_request request;

    assert_row(head, http_request_parse(head, &request) == HTTP_OK);
    return http_host_check(&request, ret);
}

static void hosts(void **state) {
    static const struct {
        struct slice head;
        enum http_fault fault;
        const char *host;
    } rows[] = {
        {SLICE("GET / HTTP/1.1\r\nHost: a.b\r\n\r\n"), HTTP_OK, "a.b"},
        {SLICE("GET / HTTP/1.1\r\nhOST:A.b.:\r\n\r\n"), HTTP_OK, "A.b.:"},
        {SLICE("GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n"), HTTP_OK, "a:65535"},
        {SLICE("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), HTTP_OK, "[::1]:80"},
        {SLICE("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), HTTP_OK, "127.0.0.1"},
        {SLICE("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), HTTP_OK, "a"},
        {SLICE("GET / HTTP/1.0\r\n\r\n"), HTTP_OK, ""},
        {SLICE("GET / HTTP/1.1\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.2\r\nX: y\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost:\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.0\r\nHost:\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), HTTP_BAD_HOST, NULL},
        {SLICE("GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"), HTTP_BAD_HOST, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice host = SLICE("untouched");

        assert_row(rows[i].head, check_host(rows[i].head, &host) == rows[i].fault);
        assert_slice(host, rows[i].host ? rows[i].host : "untouched");
    }
}

static void equal_authorities(void **state) {
    static const struct {
        struct slice a, b;
        uint16_t port;
        bool equals;
    } rows[] = {
        {SLICE("a.b"), SLICE("a.b"), 80, true},
        {SLICE("a.b"), SLICE("A.B"), 80, true},
        {SLICE("a.b"), SLICE("a.b."), 80, true},
        {SLICE("a.b"), SLICE("a.b:"), 80, true},
        {SLICE("a.b"), SLICE("a.b.:80"), 80, true},
        {SLICE("a.b:443"), SLICE("a.b"), 443, true},
        {SLICE("a.b:080"), SLICE("a.b"), 80, true},
        {SLICE("[::A]:443"), SLICE("[::a]"), 443, true},
        {SLICE("a.b"), SLICE("a.c"), 80, false},
        {SLICE("a.b"), SLICE("x.a.b"), 80, false},
        {SLICE("a.b"), SLICE("a.b.c"), 80, false},
        {SLICE("a.b:80"), SLICE("a.b"), 443, false},
        {SLICE("a.b:1"), SLICE("a.b:2"), 80, false},
        {SLICE("[::1]"), SLICE("[::2]"), 80, false},
        {SLICE("a.b"), SLICE("a.b.."), 80, false},
        {SLICE(""), SLICE(""), 80, false},
        {SLICE("u@a.b"), SLICE("u@a.b"), 80, false},
        {SLICE("a.b\0"), SLICE("a.b\0"), 80, false},
        {SLICE("a.b\0x"), SLICE("a.b"), 80, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_row(rows[i].b, http_authority_equals(rows[i].a, rows[i].b, rows[i].port) == rows[i].equals);
        assert_row(rows[i].b, http_authority_equals(rows[i].b, rows[i].a, rows[i].port) == rows[i].equals);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_targets), cmocka_unit_test(bad_targets),       cmocka_unit_test(each_byte_in_a_target),
        cmocka_unit_test(hosts),        cmocka_unit_test(equal_authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
