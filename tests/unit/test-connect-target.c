#include "wire/connect_target.h"

#include "unit.h"

static void good_targets_have_one_form(void **state) {
    static const struct {
        struct slice text;
        const char *host;
        uint16_t port;
        bool is_address;
        const char *form;
    } rows[] = {
        {SLICE("api.example.com:443"), "api.example.com", 443, false, "api.example.com:443"},
        {SLICE("API.Example.COM:8443"), "api.example.com", 8443, false, "api.example.com:8443"},
        {SLICE("localhost:1"), "localhost", 1, false, "localhost:1"},
        {SLICE("xn--bcher-kva.example:443"), "xn--bcher-kva.example", 443, false, "xn--bcher-kva.example:443"},
        {SLICE("a_b.example:65535"), "a_b.example", 65535, false, "a_b.example:65535"},
        {SLICE("4chan.example:80"), "4chan.example", 80, false, "4chan.example:80"},
        {SLICE("1.2.3.4.example:80"), "1.2.3.4.example", 80, false, "1.2.3.4.example:80"},
        {SLICE("127.0.0.1:443"), "127.0.0.1", 443, true, "127.0.0.1:443"},
        {SLICE("[::1]:443"), "::1", 443, true, "[::1]:443"},
        {SLICE("[2001:DB8:0:0:0:0:0:1]:443"), "2001:db8::1", 443, true, "[2001:db8::1]:443"},
        {SLICE("[::ffff:7f00:1]:443"), "::ffff:127.0.0.1", 443, true, "[::ffff:127.0.0.1]:443"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].text);
        char form[CONNECT_TARGET_MAX];
        struct connect_target target;

        assert_row(rows[i].text, connect_target_parse(text, 0, &target) == CONNECT_OK);
        assert_slice(connect_target_host(&target), rows[i].host);
        assert_row(rows[i].text, target.port == rows[i].port && target.is_address == rows[i].is_address);
        assert_slice(slice_of(form, connect_target_format(&target, form)), rows[i].form);
    }
}

static void each_oddity_has_its_reason(void **state) {
    static const struct {
        struct slice text;
        enum connect_fault fault;
    } rows[] = {
        {SLICE(""), CONNECT_EMPTY},
        {SLICE(":443"), CONNECT_EMPTY},
        {SLICE("a\0.example:443"), CONNECT_NUL},
        {SLICE("allowed.example\0.evil.example:443"), CONNECT_NUL},
        {SLICE("b\xc3\xbc"
               "cher.example:443"),
         CONNECT_NOT_ASCII},
        {SLICE("a.example\x7f:443"), CONNECT_NOT_ASCII},
        {SLICE("user@a.example:443"), CONNECT_USERINFO},
        {SLICE("user:pass@a.example:443"), CONNECT_USERINFO},
        {SLICE("allowed.example:443@evil.example:443"), CONNECT_USERINFO},
        {SLICE("a.example/x:443"), CONNECT_ODD_BYTE},
        {SLICE("https://a.example:443"), CONNECT_ODD_BYTE},
        {SLICE("a.example:443/"), CONNECT_ODD_BYTE},
        {SLICE("a b:443"), CONNECT_ODD_BYTE},
        {SLICE("a,b:443"), CONNECT_ODD_BYTE},
        {SLICE("a%2eexample:443"), CONNECT_ODD_BYTE},
        {SLICE("*.example:443"), CONNECT_ODD_BYTE},
        {SLICE("a.example"), CONNECT_NO_PORT},
        {SLICE("a.example:"), CONNECT_NO_PORT},
        {SLICE("[::1]"), CONNECT_NO_PORT},
        {SLICE("a.example:0"), CONNECT_BAD_PORT},
        {SLICE("a.example:65536"), CONNECT_BAD_PORT},
        {SLICE("a.example:99999999999999999999"), CONNECT_BAD_PORT},
        {SLICE("a.example:0443"), CONNECT_BAD_PORT},
        {SLICE("a.example:4x3"), CONNECT_BAD_PORT},
        {SLICE("a.example:https"), CONNECT_BAD_PORT},
        {SLICE("a.example:-1"), CONNECT_BAD_PORT},
        {SLICE("a.example:443:80"), CONNECT_BAD_BRACKETS},
        {SLICE("::1:443"), CONNECT_BAD_BRACKETS},
        {SLICE("[::1:443"), CONNECT_BAD_BRACKETS},
        {SLICE("[fe80::1%25eth0]:443"), CONNECT_BAD_BRACKETS},
        {SLICE("[]:443"), CONNECT_BAD_BRACKETS},
        {SLICE("[127.0.0.1]:443"), CONNECT_BAD_BRACKETS},
        {SLICE("[a.example]:443"), CONNECT_BAD_BRACKETS},
        {SLICE("2130706433:443"), CONNECT_ODD_ADDRESS},
        {SLICE("0x7f000001:443"), CONNECT_ODD_ADDRESS},
        {SLICE("0177.0.0.1:443"), CONNECT_ODD_ADDRESS},
        {SLICE("127.1:443"), CONNECT_ODD_ADDRESS},
        {SLICE("127.0.0.0x1:443"), CONNECT_ODD_ADDRESS},
        {SLICE("127.0.0.1.:443"), CONNECT_ODD_ADDRESS},
        {SLICE("1.2.3.4.5:443"), CONNECT_ODD_ADDRESS},
        {SLICE("256.0.0.1:443"), CONNECT_ODD_ADDRESS},
        {SLICE("0:443"), CONNECT_ODD_ADDRESS},
        {SLICE("a.example.0x:443"), CONNECT_ODD_ADDRESS},
        {SLICE("a.example.:443"), CONNECT_LAST_DOT},
        {SLICE(".a.example:443"), CONNECT_BAD_NAME},
        {SLICE("a..example:443"), CONNECT_BAD_NAME},
        {SLICE("a.example..:443"), CONNECT_BAD_NAME},
        {SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example:443"), CONNECT_BAD_NAME},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].text);
        struct connect_target target = {.port = 7};
        enum connect_fault fault = connect_target_parse(text, 0, &target);

        if (fault != rows[i].fault)
            print_error("%d is not %d\n", (int)fault, (int)rows[i].fault);
        assert_row(rows[i].text, fault == rows[i].fault);
        assert_row(rows[i].text, target.port == 7 && target.host_n == 0); /* untouched */
        assert_true(strlen(connect_fault_reason(fault)) > 10);
    }
}

static void a_name_has_a_length(void **state) {
    char text[LIMIT_HOST + 8];
    struct connect_target target;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? '.' : 'a';
    memcpy(text + LIMIT_HOST, ":443", 4);
    assert_int_equal(connect_target_parse(slice_of(text, LIMIT_HOST + 4), 0, &target), CONNECT_OK);
    text[LIMIT_HOST] = 'b';
    memcpy(text + LIMIT_HOST + 1, ":443", 4);
    assert_int_equal(connect_target_parse(slice_of(text, LIMIT_HOST + 5), 0, &target), CONNECT_BAD_NAME);
}

static void a_port_may_be_left_out_where_there_is_one_by_default(void **state) {
    struct connect_target target;

    (void)state;
    assert_int_equal(connect_target_parse(SLICE("a.example"), 80, &target), CONNECT_OK);
    assert_int_equal(target.port, 80);
    assert_int_equal(connect_target_parse(SLICE("[::1]"), 80, &target), CONNECT_OK);
    assert_slice(connect_target_host(&target), "::1");
    assert_int_equal(connect_target_parse(SLICE("a.example:8080"), 80, &target), CONNECT_OK);
    assert_int_equal(target.port, 8080);
    assert_int_equal(connect_target_parse(SLICE("[::1]x"), 80, &target), CONNECT_BAD_PORT);
    assert_int_equal(connect_target_parse(SLICE("a.example:"), 80, &target), CONNECT_NO_PORT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_targets_have_one_form),
        cmocka_unit_test(each_oddity_has_its_reason),
        cmocka_unit_test(a_name_has_a_length),
        cmocka_unit_test(a_port_may_be_left_out_where_there_is_one_by_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
