#include "wire/uri.h"

#include "base/limits.h"
#include "unit.h"

static void normal_paths(void **state) {
    static const struct {
        struct slice path;
        const char *normal; /* NULL: nobody can say what it means */
    } rows[] = {
        {SLICE("/"), "/"},
        {SLICE("/a"), "/a"},
        {SLICE("/a/"), "/a/"},
        {SLICE("/a/b.c"), "/a/b.c"},
        {SLICE("//"), "/"},
        {SLICE("//a///b//"), "/a/b/"},
        {SLICE("/."), "/"},
        {SLICE("/.."), NULL},
        {SLICE("/../../a"), NULL},
        {SLICE("/a/."), "/a/"},
        {SLICE("/a/.."), "/"},
        {SLICE("/a/../b"), "/b"},
        {SLICE("/a/b/../../c/./d"), "/c/d"},
        {SLICE("/a/../../b"), NULL},
        {SLICE("/a//../b"), "/b"},
        {SLICE("/..."), "/..."},
        {SLICE("/.a/b.."), "/.a/b.."},
        {SLICE("/public/../secret"), "/secret"},
        {SLICE("/%70ublic"), "/public"},
        {SLICE("/a%2fb"), "/a/b"},
        {SLICE("/a%2Fb"), "/a/b"},
        {SLICE("/a%5cb\\c"), "/a/b/c"},
        {SLICE("/a/%2e%2E/b"), "/b"},
        {SLICE("/a/.%2e/b"), "/b"},
        {SLICE("/a%2f..%2fb"), "/b"},
        {SLICE("/a;x=y/b;z"), "/a/b"},
        {SLICE("/a%3bx/b"), "/a/b"},
        {SLICE("/a/..;x/b"), "/b"},
        {SLICE("/a/;x/b"), "/a/b"},
        {SLICE("/a/;x"), "/a/"},
        {SLICE("/;"), "/"},
        {SLICE("/a+b"), "/a+b"},
        {SLICE("/%41%20%C3%A9"), "/A \xC3\xA9"},
        {SLICE("/100%"), "/100%"},
        {SLICE("/100%25"), "/100%"},
        {SLICE("/100%2525"), "/100%25"},
        {SLICE("/100%25254"), "/100%254"},
        {SLICE("/100%25254g"), "/100%254g"},
        {SLICE("/%zz%2"), "/%zz%2"},
        {SLICE("/a%252eb"), "/a%2eb"},
        {SLICE("/%252e.."), "/%2e.."},
        {SLICE("/a%2541"), "/a%41"},

        {SLICE("/%252e"), NULL},
        {SLICE("/%252e%252e/a"), NULL},
        {SLICE("/.%252e"), NULL},
        {SLICE("/a/%252e%252e;x"), NULL},
        {SLICE("/a%252fb"), NULL},
        {SLICE("/a%255cb"), NULL},
        {SLICE("/a%253bb"), NULL},
        {SLICE("/a%2500"), NULL},
        {SLICE("/%25252e%25252e/a"), NULL},
        {SLICE("/a%252541"), NULL},
        {SLICE("/a%25250a"), NULL},
        {SLICE("/%25%32%65"), NULL},
        {SLICE("/%2525%32%65"), NULL},
        {SLICE("/%25%32%35%32%65"), NULL},
        {SLICE("/%00"), NULL},
        {SLICE("/a\0b"), NULL},
        {SLICE(""), NULL},
        {SLICE("a"), NULL},
        {SLICE("*"), NULL},
        {SLICE("\\a"), NULL},
        {SLICE("%2fa"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice path = exact_copy(rows[i].path);
        char *to = malloc(path.n + 1);
        ptrdiff_t n;

        assert_non_null(to);
        n = uri_normalise_path(path, to);
        assert_row(rows[i].path, (n >= 0) == (rows[i].normal != NULL));
        if (n >= 0)
            assert_slice(slice_of(to, (size_t)n), rows[i].normal);
        free(to);
    }
}

static void decoding(void **state) {
    static const struct {
        struct slice text, decoded;
    } rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("abc+d"), SLICE("abc+d")},
        {SLICE("%41%6a%6A"), SLICE("Ajj")},
        {SLICE("%00%fF"), SLICE("\0\xFF")},
        {SLICE("%"), SLICE("%")},
        {SLICE("%4"), SLICE("%4")},
        {SLICE("%4g%g4"), SLICE("%4g%g4")},
        {SLICE("%%41"), SLICE("%A")},
        {SLICE("%2541"), SLICE("%41")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].text);
        char to[64];
        size_t n;

        n = uri_percent_decode(text, to);
        assert_row(rows[i].text, slice_equals(slice_of(to, n), rows[i].decoded));
        memcpy(to, text.p, text.n);
        n = uri_percent_decode(slice_of(to, text.n), to);
        assert_row(rows[i].text, slice_equals(slice_of(to, n), rows[i].decoded));
    }
}

static void encoding(void **state) {
    char all[256], encoded[3 * sizeof(all)], decoded[sizeof(encoded)];
    size_t n;

    (void)state;
    n = uri_percent_encode(SLICE("aZ09-._~ /+%&=\xE9\n"), encoded);
    assert_slice(slice_of(encoded, n), "aZ09-._~%20%2F%2B%25%26%3D%E9%0A");
    n = uri_percent_encode_segment(SLICE("aZ09-._~!$&'()*+,=:@ /?#%;\\\"\xE9\n"), encoded);
    assert_slice(slice_of(encoded, n), "aZ09-._~!$&'()*+,=:@%20%2F%3F%23%25%3B%5C%22%E9%0A");
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    n = uri_percent_encode(slice_of(all, sizeof(all)), encoded);
    assert_int_equal(n, 66 + 3 * (256 - 66));
    assert_int_equal(uri_percent_decode(slice_of(encoded, n), decoded), sizeof(all));
    assert_memory_equal(decoded, all, sizeof(all));
}

static void good_upstreams(void **state) {
    static const struct {
        struct slice url;
        bool is_tls;
        const char *host;
        bool is_ipv6;
        uint16_t port;
        const char *base_path;
    } rows[] = {
        {SLICE("https://api.flashcat.cloud"), true, "api.flashcat.cloud", false, 443, ""},
        {SLICE("https://a.b/"), true, "a.b", false, 443, ""},
        {SLICE("HTTPS://A.b:8443/x/y/"), true, "A.b", false, 8443, "/x/y"},
        {SLICE("https://a/x/y"), true, "a", false, 443, "/x/y"},
        {SLICE("http://127.0.0.1:80"), false, "127.0.0.1", false, 80, ""},
        {SLICE("http://localhost"), false, "localhost", false, 80, ""},
        {SLICE("ws://a"), false, "a", false, 80, ""},
        {SLICE("wss://a/b"), true, "a", false, 443, "/b"},
        {SLICE("https://[2001:db8::1]:65535/v1"), true, "2001:db8::1", true, 65535, "/v1"},
        {SLICE("https://[::1]"), true, "::1", true, 443, ""},
        {SLICE("https://a/v1~a_b.c-d/@x:$!,"), true, "a", false, 443, "/v1~a_b.c-d/@x:$!,"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice url = exact_copy(rows[i].url);
        struct uri_upstream found;

        assert_row(rows[i].url, uri_parse_upstream(url, &found) == NULL);
        assert_row(rows[i].url, found.is_tls == rows[i].is_tls && found.port == rows[i].port);
        assert_row(rows[i].url, found.is_ipv6_literal == rows[i].is_ipv6);
        assert_slice(found.host, rows[i].host);
        assert_slice(found.base_path, rows[i].base_path);
    }
}

static void bad_upstreams(void **state) {
    static const struct {
        struct slice url;
        const char *says; /* a part of what is said */
    } rows[] = {
        {SLICE(""), "start with"},
        {SLICE("a.b"), "start with"},
        {SLICE("ftp://a"), "start with"},
        {SLICE("https:/a"), "start with"},
        {SLICE("https:a"), "start with"},
        {SLICE(" https://a"), "start with"},
        {SLICE("https://"), "no host"},
        {SLICE("https:///x"), "no host"},
        {SLICE("https://:443"), "malformed"},
        {SLICE("https://u@a"), "user"},
        {SLICE("https://u:p@a/"), "user"},
        {SLICE("https://a?b"), "query"},
        {SLICE("https://a/b?"), "query"},
        {SLICE("https://a/#c"), "fragment"},
        {SLICE("https://a b"), "malformed"},
        {SLICE("https://a\0.b"), "malformed"},
        {SLICE("https://a,b"), "malformed"},
        {SLICE("https://a\\b"), "malformed"},
        {SLICE("https://*.b"), "letters, digits"},
        {SLICE("https://a_b"), "letters, digits"},
        {SLICE("https://a."), "dot"},
        {SLICE("https://a:"), "port"},
        {SLICE("https://a:0"), "port"},
        {SLICE("https://a:65536"), "malformed"},
        {SLICE("https://a:x"), "malformed"},
        {SLICE("https://[::1"), "malformed"},
        {SLICE("https://[fe80::1%25lo]"), "malformed"},
        {SLICE("https://::1"), "malformed"},
        {SLICE("https://a/x y"), "escaped"},
        {SLICE("https://a/\xC3\xA9"), "escaped"},
        {SLICE("https://a/\r\nX"), "escaped"},
        {SLICE("https://a//"), "plain"},
        {SLICE("https://a//x"), "plain"},
        {SLICE("https://a/x//"), "plain"},
        {SLICE("https://a/./x"), "plain"},
        {SLICE("https://a/x/.."), "plain"},
        {SLICE("https://a/x;y"), "plain"},
        {SLICE("https://a/%41"), "plain"},
        {SLICE("https://a/%252e"), "plain"},
        {SLICE("https://a/100%"), "plain"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice url = exact_copy(rows[i].url);
        struct uri_upstream found = {.port = 77};
        const char *wrong = uri_parse_upstream(url, &found);

        assert_row(rows[i].url, wrong != NULL);
        assert_row(rows[i].url, strstr(wrong, rows[i].says) != NULL);
        assert_row(rows[i].url, found.port == 77);
    }
}

static void limit_of_the_base_path(void **state) {
    char url[LIMIT_BASE_PATH + 20] = "https://a/";
    struct uri_upstream found;

    (void)state;
    memset(url + 10, 'x', LIMIT_BASE_PATH);
    assert_null(uri_parse_upstream(slice_of(url, 9 + LIMIT_BASE_PATH), &found));
    assert_int_equal(found.base_path.n, LIMIT_BASE_PATH);
    assert_string_equal(uri_parse_upstream(slice_of(url, 10 + LIMIT_BASE_PATH), &found), "the path is too long");
}

static void formatting_the_authority(void **state) {
    static const struct {
        struct slice url;
        const char *authority;
    } rows[] = {
        {SLICE("https://a.b/x"), "a.b"},           {SLICE("https://a.b:443"), "a.b"},
        {SLICE("https://a.b:80"), "a.b:80"},       {SLICE("http://a.b:80"), "a.b"},
        {SLICE("http://a.b:443"), "a.b:443"},      {SLICE("wss://a.b:443"), "a.b"},
        {SLICE("https://[::1]"), "[::1]"},         {SLICE("https://[::1]:8443"), "[::1]:8443"},
        {SLICE("http://1.2.3.4:1"), "1.2.3.4:1"},  {SLICE("http://a:65535"), "a:65535"},
    };
    char longest[LIMIT_HOST + 20], to[URI_AUTHORITY_MAX];
    struct uri_upstream found;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_row(rows[i].url, uri_parse_upstream(rows[i].url, &found) == NULL);
        assert_slice(slice_of(to, uri_format_authority(&found, to)), rows[i].authority);
    }
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "https://", 8);
    memcpy(longest + 8 + LIMIT_HOST, ":65535", 6);
    assert_null(uri_parse_upstream(slice_of(longest, 8 + LIMIT_HOST + 6), &found));
    assert_int_equal(uri_format_authority(&found, to), LIMIT_HOST + 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_paths),
        cmocka_unit_test(decoding),
        cmocka_unit_test(encoding),
        cmocka_unit_test(good_upstreams),
        cmocka_unit_test(bad_upstreams),
        cmocka_unit_test(limit_of_the_base_path),
        cmocka_unit_test(formatting_the_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
