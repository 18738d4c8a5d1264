#include "egress/keeper/inject.h"

#include "unit_inject.h"

/* Every field that a server could take a credential from, in every spelling that reaches a CGI as the same name. */
static void what_could_carry_another_credential(void **state) {
    static const struct slice stripped[] = {
        SLICE("Authorization"),       SLICE("authorization"),  SLICE("AUTHORIZATION"),  SLICE("Proxy-Authorization"),
        SLICE("Proxy_Authorization"), SLICE("Cookie"),         SLICE("cOOKIE"),         SLICE("X-Api-Key"),
        SLICE("x-api-key"),           SLICE("X_Api_Key"),      SLICE("X.Api.Key"),      SLICE("x_api-key"),
        SLICE("X-API_KEY"),           SLICE("Api-Key"),        SLICE("Apikey"),         SLICE("X-Auth-Token"),
        SLICE("X_Auth_Token"),        SLICE("X-Access-Token"), SLICE("X-Token"),        SLICE("Private-Token"),
        SLICE("PRIVATE_TOKEN"),       SLICE("X-Vault-Token"),  SLICE("X-Goog-Api-Key"), SLICE("X-Amz-Security-Token"),
    };
    static const struct slice kept[] = {
        SLICE("Accept"),         SLICE("X-Api-Keys"), SLICE("XApiKey"),      SLICE("X-Request-Id"),
        SLICE("Authorizations"), SLICE("Set-Cookie"), SLICE("Content-Type"),
    };
    struct http_field field = {.value = SLICE("v")};
    struct request_head request = get(SLICE("/"));
    struct credential credential = by_query();
    char expected[256];

    (void)state;
    request.fields = &field;
    request.n_fields = 1;
    for (size_t i = 0; i < ARRAY_LEN(stripped); i++) {
        field.name = stripped[i];
        assert_head(&credential, SLICE("k"), &request,
                    "GET /?app_key=k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    }
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        field.name = kept[i];
        (void)snprintf(expected, sizeof(expected),
                       "GET /?app_key=k HTTP/1.1\r\nHost: api.example.org\r\n%.*s: v\r\n" IDENTITY "\r\n",
                       SLICE_ARG(kept[i]));
        assert_head(&credential, SLICE("k"), &request, expected);
    }
}

static void the_injected_field_stands_there_once(void **state) {
    static const struct http_field fields[] = {
        {SLICE("X-Custom-Secret"), SLICE("a")},     {SLICE("x-custom-secret"), SLICE("b")},
        {SLICE("X_Custom_Secret"), SLICE("c")},     {SLICE("X-Custom_secret"), SLICE("d")},
        {SLICE("X-Custom-Secrets"), SLICE("kept")}, {SLICE("Cookie"), SLICE("e")},
    };
    struct credential credential = for_api(INJECT_HEADER, "X-Custom-Secret", "Bearer {}");
    struct request_head request = get(SLICE("/"));

    (void)state;
    request.fields = fields;
    request.n_fields = ARRAY_LEN(fields);
    assert_head(
        &credential, SLICE("k"), &request,
        "GET / HTTP/1.1\r\nHost: api.example.org\r\nX-Custom-Secrets: kept\r\nX-Custom-Secret: Bearer k\r\n" IDENTITY
        "\r\n");
}

/* What would bring the key back compressed or in pieces, where no mask could find it. */
static void what_could_hide_it_in_a_response(void **state) {
    static const struct slice names[] = {
        SLICE("Accept-Encoding"), SLICE("accept_encoding"), SLICE("Range"),         SLICE("RANGE"),
        SLICE("If-Range"),        SLICE("If_Range"),        SLICE("Request-Range"), SLICE("A-IM")};
    static const struct http_field two[] = {{SLICE("Range"), SLICE("bytes=0-7")},
                                            {SLICE("Accept-Encoding"), SLICE("br")}};
    struct http_field field = {.value = SLICE("v")};
    struct credential credential = by_header();
    struct request_head request = get(SLICE("/"));

    (void)state;
    request.fields = &field;
    request.n_fields = 1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        field.name = names[i];
        assert_head(&credential, SLICE("k"), &request,
                    "GET / HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k\r\n" IDENTITY "\r\n");
    }

    credential.is_mask_off = true; /* then there is nothing to hide it from */
    request.fields = two;
    request.n_fields = ARRAY_LEN(two);
    assert_head(&credential, SLICE("k"), &request,
                "GET / HTTP/1.1\r\nHost: api.example.org\r\nRange: bytes=0-7\r\nAccept-Encoding: br\r\n"
                "X-Api-Key: k\r\n\r\n");
}

/* Frames that were compressed could not be masked. */
static void an_upgrade_is_asked_for_without_extensions(void **state) {
    static const struct http_field fields[] = {
        {SLICE("Sec-WebSocket-Version"), SLICE("13")},
        {SLICE("Sec-WebSocket-Extensions"), SLICE("permessage-deflate")},
        {SLICE("sec_websocket_extensions"), SLICE("permessage-deflate")},
        {SLICE("Sec-WebSocket-Protocol"), SLICE("chat")},
    };
    struct credential credential = by_query();
    struct request_head request = get(SLICE("/"));

    (void)state;
    request.fields = fields;
    request.n_fields = ARRAY_LEN(fields);
    request.is_upgrade = true;
    assert_head(&credential, SLICE("k"), &request,
                "GET /?app_key=k HTTP/1.1\r\nHost: api.example.org\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: chat\r\n" IDENTITY "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void hosts(void **state) {
    static const struct {
        const char *upstream, *host;
    } rows[] = {
        {"https://api.example.org", "api.example.org"},
        {"https://api.example.org:443", "api.example.org"},
        {"https://api.example.org:80", "api.example.org:80"},
        {"https://api.example.org:8443", "api.example.org:8443"},
        {"http://127.0.0.1", "127.0.0.1"},
        {"http://127.0.0.1:80", "127.0.0.1"},
        {"http://127.0.0.1:443", "127.0.0.1:443"},
        {"https://[2606:4700::1]", "[2606:4700::1]"},
        {"https://[2606:4700::1]:8443", "[2606:4700::1]:8443"},
        {"http://[::1]:80", "[::1]"},
        {"wss://api.example.org:65535", "api.example.org:65535"},
    };
    struct request_head request = get(SLICE("/"));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct credential credential = made(rows[i].upstream, INJECT_QUERY, "app_key", NULL);
        char expected[256];

        (void)snprintf(expected, sizeof(expected), "GET /?app_key=k HTTP/1.1\r\nHost: %s\r\n" IDENTITY "\r\n",
                       rows[i].host);
        assert_head(&credential, SLICE("k"), &request, expected);
    }
}

static void the_longest_host(void **state) {
    char upstream[LIMIT_HOST + 32] = "https://", expected[LIMIT_HOST + 128];
    struct request_head request = get(SLICE("/"));
    struct credential credential;

    (void)state;
    for (size_t i = 0; i < LIMIT_HOST - 2; i++)
        upstream[8 + i] = i % 60 == 59 ? '.' : 'a';
    (void)snprintf(upstream + 8 + LIMIT_HOST - 2, 7, ":65535");
    credential = made(upstream, INJECT_QUERY, "app_key", NULL);
    (void)snprintf(expected, sizeof(expected), "GET /?app_key=k HTTP/1.1\r\nHost: %s\r\n" IDENTITY "\r\n",
                   upstream + 8);
    assert_head(&credential, SLICE("k"), &request, expected);
}

static void base_paths(void **state) {
    struct credential credential = made("https://api.example.org/base/v1/", INJECT_QUERY, "app_key", NULL);
    struct request_head root = get(SLICE("/")), deep = get_with(SLICE("/a/b"), SLICE("x=y")),
                        asterisk = {.method = SLICE("OPTIONS"), .path = SLICE("*"), .query = SLICE_EMPTY};

    (void)state;
    assert_head(&credential, SLICE("k"), &root,
                "GET /base/v1/?app_key=k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k"), &deep,
                "GET /base/v1/a/b?x=y&app_key=k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    credential = made("https://api.example.org/base", INJECT_HEADER, "X-Api-Key", "{}");
    assert_head(&credential, SLICE("k"), &asterisk,
                "OPTIONS * HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k\r\n" IDENTITY "\r\n");
}

static void framing(void **state) {
    struct credential credential = by_header();
    struct request_head request = get(SLICE("/"));

    (void)state;
    request.method = SLICE("PUT");
    request.body = (struct http_framing){HTTP_BODY_LENGTH, 0};
    assert_head(&credential, SLICE("k"), &request,
                "PUT / HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k\r\n" IDENTITY "Content-Length: 0\r\n\r\n");
    request.body.length = UINT64_MAX;
    request.expects_continue = true;
    assert_head(&credential, SLICE("k"), &request,
                "PUT / HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k\r\n" IDENTITY
                "Content-Length: 18446744073709551615\r\n"
                "Expect: 100-continue\r\n\r\n");
    request.body = (struct http_framing){HTTP_BODY_CHUNKED, 0};
    request.expects_continue = false;
    assert_head(&credential, SLICE("k"), &request,
                "PUT / HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k\r\n" IDENTITY
                "Transfer-Encoding: chunked\r\n\r\n");
}

/* A field that would split the head is refused here once more, whoever let it through before. */
static void a_field_that_ends_its_line(void **state) {
    static const struct http_field fields[] = {{SLICE("X"), SLICE("y\r\nHost: evil")}};
    _cleanup_secret_ struct secret *secret = secret_of(SLICE("k"));
    struct credential credential = by_header();
    struct request_head request = get(SLICE("/"));
    struct buf out;

    (void)state;
    request.fields = fields;
    request.n_fields = 1;
    buf_init_secret(&out, LIMIT_DATAGRAM);
    assert_int_equal(inject_write_head(&out, &credential, secret, &request), -EINVAL);
    buf_release(&out);
}

/* The longest secret, all of it escaped; and a buffer that is too small for the head, anywhere in it. */
static void sizes(void **state) {
    static char much[LIMIT_SECRET];
    _cleanup_secret_ struct secret *longest = NULL, *one = secret_of(SLICE("k"));
    struct credential credential = by_query();
    struct request_head request = get_with(SLICE("/a"), SLICE("x=y"));
    struct buf out;
    size_t whole;

    (void)state;
    memset(much, '&', sizeof(much));
    longest = secret_of(slice_of(much, sizeof(much)));
    buf_init_secret(&out, LIMIT_DATAGRAM);
    assert_int_equal(inject_write_head(&out, &credential, longest, &request), 0);
    assert_true(buf_length(&out) > 3 * LIMIT_SECRET);
    buf_release(&out);

    assert_int_equal(inject_write_head(&out, &credential, one, &request), 0);
    whole = buf_length(&out);
    buf_release(&out);
    for (size_t cap = 1; cap <= whole; cap++) {
        buf_init_secret(&out, cap);
        assert_int_equal(inject_write_head(&out, &credential, one, &request), cap < whole ? -ENOBUFS : 0);
        buf_release(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_carry_another_credential),
        cmocka_unit_test(the_injected_field_stands_there_once),
        cmocka_unit_test(what_could_hide_it_in_a_response),
        cmocka_unit_test(an_upgrade_is_asked_for_without_extensions),
        cmocka_unit_test(hosts),
        cmocka_unit_test(the_longest_host),
        cmocka_unit_test(base_paths),
        cmocka_unit_test(framing),
        cmocka_unit_test(a_field_that_ends_its_line),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
