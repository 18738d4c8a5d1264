#include "relay/refusal.h"

#include <stdio.h>

#include "unit.h"

static const struct exchange_rules rules = {
    .door = DOOR_LISTENER, .protected_fields = {{"X-User-Name", 11}}, .n_protected = 1, .base_path = {"/api/v2", 7}};

static struct refusal read_whole(struct slice bytes, enum http_fault fault) {
    struct refusal refusal;

    refusal_read(bytes, fault, &rules, &refusal);
    assert_int_equal(refusal.status, http_fault_status(fault));
    assert_string_equal(refusal.reason, http_fault_reason(fault));
    return refusal;
}

static void what_was_read_is_told(void **state) {
    static const struct {
        struct slice bytes;
        const char *method, *path, *host;
        size_t n_fields;
    } rows[] = {
        {SLICE("GET /a?secret HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nA_B: 1\r\n\r\n"), "GET", "/a", "x", 3},
        {SLICE("\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"), "GET", "/a", "x", 1},
        {SLICE("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), "GET", "/a", "", 2},
        {SLICE("GET /a HTTP/1.1\r\nHost: \"/a?secret\r\n\r\n"), "GET", "/a", "", 1},
        {SLICE("GET /a HTTP/1.1\nHost: x\n"), "GET", "/a", "x", 1},
        {SLICE("GET /a HTTP/1.1\r\nAcce"), "GET", "/a", "", 0},
        {SLICE("GET /a HTTP/1.1\r\nHost: x\r\n\r\nA: b\r\n"), "GET", "/a", "x", 1},
        {SLICE("GET http://user:word@x/ HTTP/1.1\r\n\r\n"), "GET", "", "", 0},
        {SLICE("G\"T /a HTTP/1.1\r\n\r\n"), "", "/a", "", 0},
        {SLICE("\x16\x03\x01"), "", "", "", 0},
        {SLICE("GET"), "GET", "", "", 0},
        {SLICE(""), "", "", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct refusal refusal = read_whole(rows[i].bytes, HTTP_BAD_HOST);

        assert_slice(refusal.method, rows[i].method);
        assert_slice(refusal.path, rows[i].path);
        assert_slice(refusal.host, rows[i].host);
        assert_slice(refusal.field, "");
        assert_row(rows[i].bytes, refusal.fields.n == rows[i].n_fields);
    }
}

static void who_speaks_another_protocol_is_told_what_to_do(void **state) {
    static const struct {
        enum http_fault fault;
        const char *rule, *hint;
    } rows[] = {
        {HTTP_IS_HTTP2, "", "let the client speak HTTP/1.1 from the start"},
        {HTTP_IS_TLS, "", "use http:// for this address"},
        {HTTP_IS_SOCKS, "", "use it as http://, not as socks://"},
        {HTTP_OUTSIDE_BASE, "upstream",
         "ask for a path beneath /api/v2, or change the path in the credential's upstream"},
        {HTTP_BAD_HOST, "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct refusal refusal = read_whole(SLICE("GET /a HTTP/1.1\r\n\r\n"), rows[i].fault);

        assert_slice(refusal.rule, rows[i].rule);
        assert_string_equal(refusal.hint, rows[i].hint);
    }
}

/* A name, and never what may be a value. */
static void the_field_at_fault_is_named(void **state) {
    static const struct {
        enum http_fault fault;
        struct slice fields;
        const char *field;
    } rows[] = {
        {HTTP_ALIAS_FIELD, SLICE("Accept: a\r\nA_B: 1\r\n"), "A_B"},
        {HTTP_ALIAS_FIELD, SLICE("x.user.name: alice\r\nA_B: 1\r\n"), "x.user.name"},
        {HTTP_BAD_FIELD, SLICE("Accept: a\r\nA b: c\r\nD: e\r\n"), "A b"},
        {HTTP_BAD_FIELD, SLICE("Accept: a\r\nCookie: a\x01\r\n"), "Cookie"},
        {HTTP_BAD_FIELD, SLICE("Accept: a\r\nno colon\r\n"), ""},
        {HTTP_OBSOLETE_FOLD, SLICE("Cookie: a\r\n b: c\r\n"), "Cookie"},
        {HTTP_LARGE_HEAD, SLICE("Accept: a\r\nCookie: aaaaaaaaaaaaaaaaaaaaaa\r\nHost: x\r\nX-Cut"), "Cookie"},
        {HTTP_HEAD_TIMEOUT, SLICE("Accept: a\r\nX-Cut: b"), ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char bytes[256];
        int n = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\n%.*s\r\n", SLICE_ARG(rows[i].fields));

        assert_slice(read_whole(slice_of(bytes, (size_t)n), rows[i].fault).field, rows[i].field);
    }
}

static void a_long_name_is_cut(void **state) {
    char bytes[512];
    int n = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\n%0300d_: 1\r\n\r\n", 0);

    (void)state;
    assert_int_equal(read_whole(slice_of(bytes, (size_t)n), HTTP_ALIAS_FIELD).field.n, LIMIT_FIELD_SHOWN);
}

/* Such a line may be all cookies, and is no field: those before it still tell who has sent them. */
static void a_line_beyond_its_limit_ends_it(void **state) {
    static char bytes[2 * LIMIT_FIELD_LINE];
    int n = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nAccept: text/html\r\nCookie: %0*d", LIMIT_FIELD_LINE, 1);
    struct refusal refusal = read_whole(slice_of(bytes, (size_t)n), HTTP_LARGE_HEAD);

    (void)state;
    assert_int_equal(refusal.fields.n, 1);
    assert_slice(refusal.field, "Cookie");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_read_is_told),
        cmocka_unit_test(who_speaks_another_protocol_is_told_what_to_do),
        cmocka_unit_test(the_field_at_fault_is_named),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(a_line_beyond_its_limit_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
