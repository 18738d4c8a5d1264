#include "wire/http_message.h"

#include <stdio.h>

#include "unit.h"

#define POST "POST / HTTP/1.1\r\n"
#define CODING "Transfer-Encoding: "
#define POST0 "POST / HTTP/1.0\r\n"

static struct http_request request;
static struct http_response response;

static void request_framing(void **state) {
    static const struct {
        struct slice head;
        enum http_fault fault;
        enum http_body_kind kind;
        uint64_t length;
    } rows[] = {
        {SLICE(POST "\r\n"), HTTP_OK, HTTP_BODY_NONE, 0},
        {SLICE("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"), HTTP_OK, HTTP_BODY_LENGTH, 3},
        {SLICE("HEAD / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"), HTTP_OK, HTTP_BODY_LENGTH, 3},
        {SLICE("DELETE / HTTP/1.1\r\n" CODING "chunked\r\n\r\n"), HTTP_OK, HTTP_BODY_CHUNKED, 0},
        {SLICE(POST "Content-Length: 0\r\n\r\n"), HTTP_OK, HTTP_BODY_LENGTH, 0},
        {SLICE(POST0 "Content-Length: 7\r\n\r\n"), HTTP_OK, HTTP_BODY_LENGTH, 7},
        {SLICE(POST "content-length:9223372036854775807\r\n\r\n"), HTTP_OK, HTTP_BODY_LENGTH, INT64_MAX},
        {SLICE(POST "Content-Length: 9223372036854775808\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 18446744073709551617\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length:\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: +3\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: -3\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 0x3\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3.0\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3 3\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3, 3\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3,\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: \"3\"\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3;a=b\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},
        {SLICE(POST "Content-Length: 3\r\ncontent-length: 4\r\n\r\n"), HTTP_BAD_CONTENT_LENGTH, 0, 0},

        {SLICE(POST CODING "chunked\r\n\r\n"), HTTP_OK, HTTP_BODY_CHUNKED, 0},
        {SLICE(POST "transfer-encoding:\tCHUNKED \r\n\r\n"), HTTP_OK, HTTP_BODY_CHUNKED, 0},
        {SLICE(POST0 CODING "chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "chunked\r\nContent-Length: 3\r\n\r\n"), HTTP_LENGTH_AND_CODING, 0, 0},
        {SLICE(POST "Content-Length: x\r\n" CODING "gzip\r\n\r\n"), HTTP_LENGTH_AND_CODING, 0, 0},
        {SLICE(POST CODING "chunked, gzip\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "gzip, chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "chunked, chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "chunked\r\n" CODING "chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "gzip\r\n" CODING "chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "identity\r\n" CODING "chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "chunked;a=b\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "chunked,\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING ",chunked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "\"chunked\"\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "chun ked\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "\xFF"
                           "chunked\r\n\r\n"),
         HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "identity\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "IDENTITY\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST "Transfer-Encoding:\r\n\r\n"), HTTP_BAD_TRANSFER_ENCODING, 0, 0},
        {SLICE(POST CODING "gzip\r\n\r\n"), HTTP_UNKNOWN_CODING, 0, 0},
        {SLICE(POST CODING "xchunked\r\n\r\n"), HTTP_UNKNOWN_CODING, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_framing framing = {.kind = HTTP_BODY_CLOSE, .length = 99};

        assert_row(rows[i].head, http_request_parse(rows[i].head, &request) == HTTP_OK);
        assert_row(rows[i].head, http_request_framing(&request, &framing) == rows[i].fault);
        assert_row(rows[i].head, framing.kind == (rows[i].fault == HTTP_OK ? rows[i].kind : HTTP_BODY_CLOSE));
        assert_row(rows[i].head, framing.length == (rows[i].fault == HTTP_OK ? rows[i].length : 99));
    }
}

static void response_framing(void **state) {
    static const struct {
        struct slice head, method;
        enum http_fault fault;
        enum http_body_kind kind, declared;
        uint64_t declared_length;
    } rows[] = {
        {SLICE("HTTP/1.1 200 OK\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_CLOSE, HTTP_BODY_CLOSE, 0},
        {SLICE("HTTP/1.0 200 OK\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_CLOSE, HTTP_BODY_CLOSE, 0},
        {SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_LENGTH,
         HTTP_BODY_LENGTH, 5},
        {SLICE("HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_CHUNKED,
         HTTP_BODY_CHUNKED, 0},
        {SLICE("HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_LENGTH,
         HTTP_BODY_LENGTH, 0},

        {SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), SLICE("HEAD"), HTTP_OK, HTTP_BODY_NONE,
         HTTP_BODY_LENGTH, 5},
        {SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), SLICE("HEAD"), HTTP_OK, HTTP_BODY_NONE,
         HTTP_BODY_NONE, 0},
        {SLICE("HTTP/1.1 200 OK\r\n\r\n"), SLICE("HEAD"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_NONE, 0},
        {SLICE("HTTP/1.1 200 OK\r\n\r\n"), SLICE("head"), HTTP_OK, HTTP_BODY_CLOSE, HTTP_BODY_CLOSE, 0},
        {SLICE("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_LENGTH,
         5},
        {SLICE("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_LENGTH,
         5},
        {SLICE("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_NONE,
         HTTP_BODY_NONE, 0},
        {SLICE("HTTP/1.1 100 x\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_NONE, 0},
        {SLICE("HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_LENGTH,
         5},
        {SLICE("HTTP/1.1 101 x\r\n\r\n"), SLICE("GET"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_NONE, 0},
        {SLICE("HTTP/1.1 200 x\r\n\r\n"), SLICE("CONNECT"), HTTP_OK, HTTP_BODY_NONE, HTTP_BODY_NONE, 0},
        {SLICE("HTTP/1.1 300 x\r\n\r\n"), SLICE("CONNECT"), HTTP_OK, HTTP_BODY_CLOSE, HTTP_BODY_CLOSE, 0},
        {SLICE("HTTP/1.1 407 x\r\nContent-Length: 5\r\n\r\n"), SLICE("CONNECT"), HTTP_OK, HTTP_BODY_LENGTH,
         HTTP_BODY_LENGTH, 5},

        {SLICE("HTTP/1.1 200 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), SLICE("GET"),
         HTTP_BAD_CONTENT_LENGTH, 0, 0, 0},
        {SLICE("HTTP/1.1 200 x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"), SLICE("GET"),
         HTTP_BAD_CONTENT_LENGTH, 0, 0, 0},
        {SLICE("HTTP/1.1 200 x\r\nContent-Length: 5, 5\r\n\r\n"), SLICE("GET"), HTTP_BAD_CONTENT_LENGTH, 0, 0, 0},
        {SLICE("HTTP/1.1 200 x\r\nContent-Length: five\r\n\r\n"), SLICE("GET"), HTTP_BAD_CONTENT_LENGTH, 0, 0, 0},
        {SLICE("HTTP/1.1 200 x\r\nContent-Length: five\r\n\r\n"), SLICE("HEAD"), HTTP_BAD_CONTENT_LENGTH, 0, 0, 0},
        {SLICE("HTTP/1.1 304 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), SLICE("GET"),
         HTTP_BAD_CONTENT_LENGTH, 0, 0, 0},
        {SLICE("HTTP/1.1 200 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), SLICE("GET"),
         HTTP_LENGTH_AND_CODING, 0, 0, 0},
        {SLICE("HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"), SLICE("GET"), HTTP_BAD_TRANSFER_ENCODING, 0, 0,
         0},
        {SLICE("HTTP/1.1 200 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), SLICE("GET"), HTTP_BAD_TRANSFER_ENCODING,
         0, 0, 0},
        {SLICE("HTTP/1.1 200 x\r\nTransfer-Encoding: gzip\r\n\r\n"), SLICE("GET"), HTTP_UNKNOWN_CODING, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_framing framing, declared;
        enum http_fault fault;

        assert_row(rows[i].head, http_response_parse(rows[i].head, &response) == HTTP_OK);
        fault = http_response_framing(&response, rows[i].method, &framing, &declared);
        assert_row(rows[i].head, fault == rows[i].fault);
        if (rows[i].fault != HTTP_OK)
            continue;
        assert_row(rows[i].head, framing.kind == rows[i].kind);
        assert_row(rows[i].head, declared.kind == rows[i].declared);
        assert_row(rows[i].head, declared.length == rows[i].declared_length);
        assert_row(rows[i].head, framing.length == (framing.kind == HTTP_BODY_LENGTH ? declared.length : 0));
    }
}

static const struct slice protected_names[] = {SLICE("X-Api-Key"), SLICE("X-authentik-username")};

static enum http_fault strip(struct slice head, bool *ret_close, bool *ret_keep_alive) {
    assert_row(head, http_request_parse(head, &request) == HTTP_OK);
    return http_fields_strip_hop_by_hop(&request.fields, protected_names, ARRAY_LEN(protected_names), ret_close,
                                        ret_keep_alive);
}

static void hop_by_hop(void **state) {
    static const struct {
        struct slice head;
        enum http_fault fault;
        const char *left; /* the names that remain, each with a comma behind it */
        bool is_close, is_keep_alive;
    } rows[] = {
        {SLICE(POST "A: 1\r\nB: 2\r\n\r\n"), HTTP_OK, "A,B,", false, false},
        {SLICE(POST "Connection: close\r\nA: 1\r\n\r\n"), HTTP_OK, "A,", true, false},
        {SLICE(POST "connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nA: 1\r\n\r\n"), HTTP_OK, "A,", false, true},
        {SLICE(POST "Connection: a , b\r\nA: 1\r\nB: 2\r\na: 3\r\nC: 4\r\n\r\n"), HTTP_OK, "C,", false, false},
        {SLICE(POST "A: 1\r\nConnection: a\r\nB: 2\r\nConnection: CLOSE, b\r\nC: 4\r\n\r\n"), HTTP_OK, "C,", true,
         false},
        {SLICE(POST "Proxy-Connection: x\r\nProxy-Authorization: x\r\nTE: x\r\nTrailer: x\r\nUpgrade: x\r\n"
                    "Transfer-Encoding: chunked\r\nAuthorization: x\r\nCookie: x\r\n\r\n"),
         HTTP_OK, "Authorization,Cookie,", false, false},
        {SLICE(POST "Connection:\r\nA: 1\r\n\r\n"), HTTP_OK, "A,", false, false},
        {SLICE(POST "Connection: ,, close ,\r\nA: 1\r\n\r\n"), HTTP_OK, "A,", true, false},
        {SLICE(POST "Connection: cookie\r\nCookie: x\r\n\r\n"), HTTP_OK, "", false, false},

        {SLICE(POST "Connection: host\r\nHost: x\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,Host,", false, false},
        {SLICE(POST "Connection: close, Content-Length\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,", false, false},
        {SLICE(POST "Connection: AUTHORIZATION\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,", false, false},
        {SLICE(POST "Connection: x-api-key\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,", false, false},
        {SLICE(POST "TE: a\r\nConnection: te\r\nConnection: X-Authentik-Username\r\n\r\n"), HTTP_BAD_CONNECTION,
         "TE,Connection,Connection,", false, false},
        {SLICE(POST "Connection: a b\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,", false, false},
        {SLICE(POST "Connection: \"close\"\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,", false, false},
        {SLICE(POST "Connection: close;x\r\n\r\n"), HTTP_BAD_CONNECTION, "Connection,", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_close = false, is_keep_alive = false;
        char left[200] = "";
        size_t n = 0;

        assert_row(rows[i].head, strip(rows[i].head, &is_close, &is_keep_alive) == rows[i].fault);
        for (size_t f = 0; f < request.fields.n; f++)
            n += (size_t)snprintf(left + n, sizeof(left) - n, "%.*s,", SLICE_ARG(request.fields.at[f].name));
        assert_string_equal(left, rows[i].left);
        assert_row(rows[i].head, is_close == rows[i].is_close && is_keep_alive == rows[i].is_keep_alive);
    }
}

static void limit_of_connection_options(void **state) {
    char head[2048];

    (void)state;
    for (size_t options = LIMIT_FIELDS - 1; options <= LIMIT_FIELDS + 1; options++) {
        size_t n = (size_t)snprintf(head, sizeof(head), POST "Connection: a");
        bool is_close, is_keep_alive;

        for (size_t i = 1; i < options; i++)
            n += (size_t)snprintf(head + n, sizeof(head) - n, ",a%zu", i);
        n += (size_t)snprintf(head + n, sizeof(head) - n, "\r\n\r\n");
        assert_int_equal(strip(slice_of(head, n), &is_close, &is_keep_alive),
                         options <= LIMIT_FIELDS ? HTTP_OK : HTTP_BAD_CONNECTION);
    }
}

static void a_connection_option(void **state) {
    static const struct {
        struct slice head;
        bool has_it;
    } rows[] = {
        {SLICE(POST "\r\n"), false},
        {SLICE(POST "Connection: upgrade\r\n\r\n"), true},
        {SLICE(POST "connection: keep-alive , UPGRADE\r\n\r\n"), true},
        {SLICE(POST "Connection: close\r\nConnection: ,upgrade,\r\n\r\n"), true},
        {SLICE(POST "Connection: upgraded, up, grade\r\n\r\n"), false},
        {SLICE(POST "Upgrade: upgrade\r\n\r\n"), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_row(rows[i].head, http_request_parse(rows[i].head, &request) == HTTP_OK);
        assert_row(rows[i].head, http_connection_has(&request.fields, SLICE("Upgrade")) == rows[i].has_it);
    }
}

static void aliases(void **state) {
    static const struct slice trusted[] = {SLICE("X-User-Name"), SLICE("X.Odd")};
    static const struct {
        struct slice name;
        bool is_alias;
    } rows[] = {
        {SLICE("X-User-Name"), false},
        {SLICE("x-USER-name"), false},
        {SLICE("X.User.Name"), true},
        {SLICE("x-user.name"), true},
        {SLICE("X_User_Name"), true},
        {SLICE("Foo_Bar"), true},
        {SLICE("_"), true},
        {SLICE("Foo.Bar"), false},
        {SLICE("X-User-Nam"), false},
        {SLICE("X-User-Names"), false},
        {SLICE("X.Odd"), false},
        {SLICE("x-odd"), true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_fields fields = {.at = {{SLICE("Accept"), SLICE_EMPTY}, {rows[i].name, SLICE_EMPTY}}, .n = 2};

        assert_row(rows[i].name, http_fields_find_alias(&fields, trusted, ARRAY_LEN(trusted)) ==
                                     (rows[i].is_alias ? &fields.at[1] : NULL));
    }
}

static void expectations(void **state) {
    static const struct {
        struct slice head;
        enum http_fault fault;
        bool is_continue;
    } rows[] = {
        {SLICE(POST "\r\n"), HTTP_OK, false},
        {SLICE(POST "Expect: 100-continue\r\n\r\n"), HTTP_OK, true},
        {SLICE(POST "expect:100-CONTINUE\r\n\r\n"), HTTP_OK, true},
        {SLICE(POST0 "Expect: 100-continue\r\n\r\n"), HTTP_OK, false},
        {SLICE(POST0 "Expect: tea\r\n\r\n"), HTTP_OK, false},
        {SLICE(POST "Expect: tea\r\n\r\n"), HTTP_BAD_EXPECT, false},
        {SLICE(POST "Expect:\r\n\r\n"), HTTP_BAD_EXPECT, false},
        {SLICE(POST "Expect: 100-continue, tea\r\n\r\n"), HTTP_BAD_EXPECT, false},
        {SLICE(POST "Expect: 100-continue;q=1\r\n\r\n"), HTTP_BAD_EXPECT, false},
        {SLICE(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"), HTTP_BAD_EXPECT, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_continue = false;

        assert_row(rows[i].head, http_request_parse(rows[i].head, &request) == HTTP_OK);
        assert_row(rows[i].head, http_expect_check(&request, &is_continue) == rows[i].fault);
        assert_row(rows[i].head, is_continue == rows[i].is_continue);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_framing),     cmocka_unit_test(response_framing),
        cmocka_unit_test(hop_by_hop),          cmocka_unit_test(limit_of_connection_options),
        cmocka_unit_test(a_connection_option), cmocka_unit_test(aliases),
        cmocka_unit_test(expectations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
