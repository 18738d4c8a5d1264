#include "egress/gate/gate_rule.h"

#include "unit.h"

static void done_pointer(struct gate_rule *rule) {
    gate_rule_done(rule);
}

static struct gate_rule take(const char *text) {
    _cleanup_slice_ struct slice copy = exact_copy(slice_of_string(text));
    struct gate_rule rule = {0};
    const char *fault = gate_rule_parse(copy, &rule);

    if (fault)
        fail_msg("%s: %s", text, fault);
    return rule;
}

/* As it was written, but for its case. */
static void takes_a_host_and_its_port(void **state) {
    static const struct {
        const char *text, *host, *again;
        uint16_t port;
        bool is_wildcard, is_special;
    } rows[] = {
        {"packages.example.org:443", "packages.example.org", "packages.example.org:443", 443, false, false},
        {"Packages.Example.ORG:8443", "packages.example.org", "packages.example.org:8443", 8443, false, false},
        {"*.example.net:443", "example.net", "*.example.net:443", 443, true, false},
        {"*.Eu.Example.NET:1", "eu.example.net", "*.eu.example.net:1", 1, true, false},
        {"xn--bcher-kva.example:65535", "xn--bcher-kva.example", "xn--bcher-kva.example:65535", 65535, false, false},
        {"my_host-1:80", "my_host-1", "my_host-1:80", 80, false, false},
        {"10.1.2.3:80", "10.1.2.3", "10.1.2.3:80", 80, false, true},
        {"[::1]:80", "::1", "[::1]:80", 80, false, true},
        {"[FD00::A]:80", "fd00::a", "[fd00::a]:80", 80, false, true},
        {"LocalHost:80", "localhost", "localhost:80", 80, false, true},
        {"a.localhost:80", "a.localhost", "a.localhost:80", 80, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(done_pointer) struct gate_rule rule = take(rows[i].text);
        struct slice row = slice_of_string(rows[i].text);
        char again[GATE_RULE_TEXT_MAX];

        assert_string_equal(rule.host, rows[i].host);
        assert_row(row, rule.port == rows[i].port && rule.is_wildcard == rows[i].is_wildcard &&
                            rule.is_special == rows[i].is_special);
        assert_int_equal(gate_rule_format(&rule, again), strlen(rows[i].again));
        assert_string_equal(again, rows[i].again);
    }
}

static void each_mistake_has_words_of_its_own(void **state) {
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "is empty"},
        {"example.org", "has no port"},
        {"[::1]", "has no port"},
        {"[::1]443", "has no port"},
        {"example.org:", "port that is none"},
        {"example.org:0", "port that is none"},
        {"example.org:0443", "port that is none"},
        {"example.org:65536", "port that is none"},
        {"example.org:https", "port that is none"},
        {"example.org:*", "port that is none"},
        {"example.org: 443", "port that is none"},
        {":443", "has no host"},
        {"*:443", "would let every host through"},
        {"*.:443", "would let every host through"},
        {"*.com:443", "top-level domain"},
        {"*.localhost:443", "top-level domain"},
        {"a.*.example.org:443", "does not stand for all names below"},
        {"*example.org:443", "does not stand for all names below"},
        {"**.example.org:443", "does not stand for all names below"},
        {"*.*.example.org:443", "does not stand for all names below"},
        {"example.*:443", "does not stand for all names below"},
        {"*.10.1.2.3:443", "nothing below it"},
        {"https://example.org:443", "scheme in front"},
        {"https://example.org", "scheme in front"},
        {"example.org:443/path", "path behind"},
        {"example.org/path:443", "path behind"},
        {"10.0.0.0/8:443", "range of addresses"},
        {"10.0.0.0/8", "range of addresses"},
        {"user@example.org:443", "user in front"},
        {"example.org.:443", "dot at the end"},
        {"*.example.org.:443", "dot at the end"},
        {"b\xc3\xbc"
         "cher.example:443",
         "outside of ASCII"},
        {"::1:443", "IPv6 address without brackets"},
        {"fd00::1", "IPv6 address without brackets"},
        {"a:1:2", "two ports"},
        {"[example.org]:443", "no IPv6 address"},
        {"[10.0.0.1]:443", "no IPv6 address"},
        {"[::1", "no IPv6 address"},
        {"[", "no IPv6 address"},
        {"[]:443", "no IPv6 address"},
        {"[fe80::1%eth0]:443", "no IPv6 address"},
        {"0.0.0.0:80", "no address of a host"},
        {"[::]:80", "no address of a host"},
        {"127.1:80", "is no host"},
        {"0x7f000001:80", "is no host"},
        {"2130706433:80", "is no host"},
        {"010.0.0.1:80", "is no host"},
        {"a..b:80", "is no host"},
        {".a:80", "is no host"},
        {"-a.example:80", "is no host"},
        {"a-.example:80", "is no host"},
        {"a b:80", "is no host"},
        {"a,b:80", "is no host"},
        {"a%00:80", "is no host"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice copy = exact_copy(slice_of_string(rows[i].text));
        struct gate_rule rule;
        const char *fault = gate_rule_parse(copy, &rule);

        assert_row(copy, fault != NULL);
        if (!strstr(fault, rows[i].words))
            fail_msg("row \"%s\": %s", rows[i].text, fault);
    }
}

static void a_long_name_is_none(void **state) {
    char text[LIMIT_HOST + 16];
    struct gate_rule rule;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 4 == 3 ? '.' : 'a';
    memcpy(text + LIMIT_HOST, ":443", 4);
    assert_null(gate_rule_parse(slice_of(text, LIMIT_HOST + 4), &rule));
    assert_int_equal(strlen(rule.host), LIMIT_HOST);
    gate_rule_done(&rule);
    memcpy(text + LIMIT_HOST, "a:443", 5);
    assert_non_null(gate_rule_parse(slice_of(text, LIMIT_HOST + 5), &rule));
    memset(text, 'a', 64);
    memcpy(text + 64, ":443", 4);
    assert_non_null(gate_rule_parse(slice_of(text, 68), &rule));
}

static void a_byte_of_nothing_is_no_host(void **state) {
    struct gate_rule rule;

    (void)state;
    assert_non_null(gate_rule_parse(SLICE("a\0b.example:443"), &rule));
    assert_non_null(gate_rule_parse(SLICE("example.org\0:443"), &rule));
    assert_false(gate_host_is_valid(SLICE("a\0.example.net")));
}

struct found {
    const char *host;
    uint16_t port;
    int which; /* -1: none */
};

static const char *const written[] = {"packages.example.org:443", "*.example.net:443", "10.1.2.3:80", "[::1]:80",
                                      "localhost:80"};

static void check_found(const struct gate_rule *rules, const struct found *row) {
    _cleanup_slice_ struct slice host = exact_copy(slice_of_string(row->host));
    const struct gate_rule *rule = gate_rule_find(rules, ARRAY_LEN(written), host, row->port);

    assert_row(host, (rule ? (int)(rule - rules) : -1) == row->which);
}

static void a_rule_lets_through_what_it_says_and_nothing_else(void **state) {
    static const struct found rows[] = {
        {"packages.example.org", 443, 0},
        {"PACKAGES.example.org", 443, 0},
        {"packages.example.org", 80, -1},
        {"packages.example.org.", 443, -1},
        {"a.packages.example.org", 443, -1},
        {"xpackages.example.org", 443, -1},
        {"ackages.example.org", 443, -1},
        {"a.example.net", 443, 1},
        {"a.b.Example.Net", 443, 1},
        {"example.net", 443, -1},
        {".example.net", 443, -1},
        {"aexample.net", 443, -1},
        {"a..example.net", 443, -1},
        {"a b.example.net", 443, -1},
        {"a/b.example.net", 443, -1},
        {"a.example.net", 80, -1},
        {"10.1.2.3", 80, 2},
        {"10.1.2.4", 80, -1},
        {"::ffff:10.1.2.3", 80, -1},
        {"::1", 80, 3},
        {"0:0:0:0:0:0:0:1", 80, 3},
        {"::2", 80, -1},
        {"127.0.0.1", 80, -1},
        {"localhost", 80, 4},
        {"LOCALHOST", 80, 4},
        {"a.localhost", 80, -1},
        {"", 80, -1},
    };
    struct gate_rule rules[ARRAY_LEN(written)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        rules[i] = take(written[i]);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_found(rules, &rows[i]);
    assert_null(gate_rule_find(NULL, 0, SLICE("packages.example.org"), 443));
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        gate_rule_done(&rules[i]);
}

static void the_same_rule_is_known_however_it_is_written(void **state) {
    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        {"a.example:443", "A.example:443", true},
        {"a.example:443", "a.example:80", false},
        {"*.a.example:443", "a.example:443", false},
        {"a.example:443", "*.a.example:443", false},
        {"*.a.example:443", "*.A.example:443", true},
        {"*.a.example:443", "*.b.a.example:443", false},
        {"[::1]:80", "[0:0::1]:80", true},
        {"127.0.0.1:80", "localhost:80", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(done_pointer) struct gate_rule a = take(rows[i].a), b = take(rows[i].b);

        assert_row(slice_of_string(rows[i].b), gate_rule_is_same(&a, &b) == rows[i].is_same);
    }
}

static void the_rule_for_any_host_is_told(void **state) {
    char text[GATE_RULE_TEXT_MAX];

    (void)state;
    (void)gate_host_format(SLICE("a.example"), 443, text);
    assert_string_equal(text, "a.example:443");
    (void)gate_host_format(SLICE("fd00::1"), 80, text);
    assert_string_equal(text, "[fd00::1]:80");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_host_and_its_port),
        cmocka_unit_test(each_mistake_has_words_of_its_own),
        cmocka_unit_test(a_long_name_is_none),
        cmocka_unit_test(a_byte_of_nothing_is_no_host),
        cmocka_unit_test(a_rule_lets_through_what_it_says_and_nothing_else),
        cmocka_unit_test(the_same_rule_is_known_however_it_is_written),
        cmocka_unit_test(the_rule_for_any_host_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
