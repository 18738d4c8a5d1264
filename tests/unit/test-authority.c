#include "wire/authority.h"

#include "base/limits.h"
#include "unit.h"

static void good_ones(void **state) {
    static const struct {
        struct slice text;
        const char *host;
        bool is_ipv6, has_colon, has_port;
        uint16_t port;
    } rows[] = {
        {SLICE("a"), "a", false, false, false, 0},
        {SLICE("A-b_c.9.:"), "A-b_c.9.", false, true, false, 0},
        {SLICE("a:0"), "a", false, true, true, 0},
        {SLICE("a:00080"), "a", false, true, true, 80},
        {SLICE("a:65535"), "a", false, true, true, 65535},
        {SLICE("1.2.3.4:5"), "1.2.3.4", false, true, true, 5},
        {SLICE("[::]"), "::", true, false, false, 0},
        {SLICE("[::ffff:1.2.3.4]:5"), "::ffff:1.2.3.4", true, true, true, 5},
        {SLICE("a!$&'()*+;=b:80"), "a!$&'()*+;=b", false, true, true, 80},
        {SLICE("[0000:0000:0000:0000:0000:0000:255.255.255.255]"), "0000:0000:0000:0000:0000:0000:255.255.255.255",
         true, false, false, 0},
        {SLICE("[2001:DB8:0:0:0:0:0:1]:"), "2001:DB8:0:0:0:0:0:1", true, true, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].text);
        struct authority found;

        assert_row(text, authority_parse(text, &found));
        assert_slice(found.host, rows[i].host);
        assert_row(text, found.is_ipv6 == rows[i].is_ipv6);
        assert_row(text, found.has_colon == rows[i].has_colon);
        assert_row(text, found.has_port == rows[i].has_port);
        assert_row(text, found.port == rows[i].port);
    }
}

static void bad_ones(void **state) {
    static const struct slice rows[] = {
        /* clang-format off */
        SLICE(""), SLICE(":"), SLICE(":80"), SLICE("."), SLICE(".a"), SLICE("a..b"), SLICE("a.."), SLICE("a b"),
        SLICE("a,b"), SLICE("u@a"), SLICE("u:p@a"), SLICE("a/"), SLICE("a\\"), SLICE("a?"), SLICE("a#"),
        SLICE("a%2e"), SLICE("a\0"), SLICE("a\x7F"), SLICE("\xC3\xA9.x"), SLICE("a:65536"), SLICE("a:000080"),
        SLICE("a:-1"), SLICE("a:+1"), SLICE("a: 1"), SLICE("a:1 "), SLICE("a:x"), SLICE("a:1:2"), SLICE("a::"),
        SLICE("::1"), SLICE("[::1"), SLICE("::1]"), SLICE("[]"), SLICE("[a]"), SLICE("[1.2.3.4]"), SLICE("[::1]x"),
        SLICE("[::1]80"), SLICE("[::1]:x"), SLICE("[[::1]]"), SLICE("[fe80::1%1]"), SLICE("[fe80::1%25eth0]"),
        SLICE("[v1.a:b]"), SLICE("[::1\0]"), SLICE("[:::1]"), SLICE("[1:2:3:4:5:6:7:8:9]"),
        SLICE("[00000:0000:0000:0000:0000:0000:255.255.255.255]"), SLICE("[::1]:65536"), SLICE("x[::1]"), SLICE("a%41"),
        /* clang-format on */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i]);
        struct authority found = {.port = 77};

        assert_row(rows[i], !authority_parse(text, &found));
        assert_row(rows[i], found.port == 77);
    }
}

static void limit_of_the_host(void **state) {
    char name[LIMIT_HOST + 1];
    struct authority found;

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_true(authority_parse(slice_of(name, LIMIT_HOST), &found));
    assert_false(authority_parse(slice_of(name, LIMIT_HOST + 1), &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones),
        cmocka_unit_test(limit_of_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
