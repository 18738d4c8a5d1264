#include "egress/inject.h"

#include <errno.h>
#include <stdio.h>

#include "unit.h"

/* In every head: the keeper must be able to read what comes back. */
#define IDENTITY "Accept-Encoding: identity\r\n"

static char app_key[] = "app_key", x_api_key[] = "X-Api-Key", authorization[] = "Authorization", plain[] = "{}",
            bearer[] = "Bearer {}", quoted[] = "Key \"{}\";v=1";
static char url[512];

/* A credential for that upstream, which stays as it is until the next one is made. */
static struct credential made(const char *upstream, enum inject_kind kind, char *name, char *format) {
    struct credential credential = {.upstream = url, .inject = {kind, name, format}};

    (void)snprintf(url, sizeof(url), "%s", upstream);
    assert_null(uri_parse_upstream(slice_of_string(url), &credential.authority));
    return credential;
}

static struct credential by_query(void) {
    return made("https://api.example.org", INJECT_QUERY, app_key, NULL);
}

static struct credential by_header(void) {
    return made("https://api.example.org", INJECT_HEADER, x_api_key, plain);
}

static struct secret *secret_of(struct slice bytes) {
    struct secret *secret = NULL;
    int fd = -EBADF;

    assert_int_equal(secret_seal(bytes, &fd), 0);
    assert_int_equal(secret_open(fd, &secret), 0);
    return secret;
}

static struct request_head get(struct slice path) {
    return (struct request_head){.method = SLICE("GET"), .path = path, .query = SLICE_EMPTY};
}

static struct request_head get_with(struct slice path, struct slice query) {
    return (struct request_head){.method = SLICE("GET"), .path = path, .query = query, .has_query = true};
}

#define assert_head(credential, bytes, request, expected)                                                              \
    assert_head_is((credential), (bytes), (request), (expected), __FILE__, __LINE__)

static void assert_head_is(const struct credential *credential, struct slice bytes, const struct request_head *request,
                           const char *expected, const char *file, int line) {
    _cleanup_secret_ struct secret *secret = secret_of(bytes);
    struct buf out;

    buf_init_secret(&out, LIMIT_DATAGRAM);
    assert_null(inject_check(credential, request));
    assert_int_equal(inject_write_head(&out, credential, secret, request), 0);
    assert_slice_is(buf_slice(&out), expected, file, line);
    buf_release(&out);
}

static void query_absent(void **state) {
    struct credential credential = by_query();
    struct request_head none = get(SLICE("/a")), empty = get_with(SLICE("/a"), SLICE_EMPTY),
                        others = get_with(SLICE("/a"), SLICE("x=y&z")), trailing = get_with(SLICE("/a"), SLICE("x=y&"));

    (void)state;
    assert_head(&credential, SLICE("k3y"), &none,
                "GET /a?app_key=k3y HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k3y"), &empty,
                "GET /a?app_key=k3y HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k3y"), &others,
                "GET /a?x=y&z&app_key=k3y HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k3y"), &trailing,
                "GET /a?x=y&app_key=k3y HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
}

/* The sentinel is replaced where it stands; nothing of it goes out. */
static void query_once(void **state) {
    static const struct {
        struct slice query;
        const char *target;
    } rows[] = {
        {SLICE("app_key=sentinel"), "/a?app_key=k3y"},
        {SLICE("app_key"), "/a?app_key=k3y"},
        {SLICE("app_key="), "/a?app_key=k3y"},
        {SLICE("app_key=sentinel&x=y"), "/a?app_key=k3y&x=y"},
        {SLICE("x=y&app_key=sentinel"), "/a?x=y&app_key=k3y"},
        {SLICE("x=y&app_key=a=b&z"), "/a?x=y&app_key=k3y&z"},
        {SLICE("&&app_key=s&&"), "/a?&&app_key=k3y&&"},
        {SLICE("xapp_key=1&app_key=s&app_keyx=2"), "/a?xapp_key=1&app_key=k3y&app_keyx=2"},
    };
    struct credential credential = by_query();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = get_with(SLICE("/a"), rows[i].query);
        char expected[256];

        (void)snprintf(expected, sizeof(expected), "GET %s HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n",
                       rows[i].target);
        assert_head(&credential, SLICE("k3y"), &request, expected);
    }
}

static void queries_that_cannot_carry_it(void **state) {
    static const struct slice rows[] = {
        SLICE("app_key=a&app_key=b"), SLICE("app_key=a&app_key=a"), SLICE("%61pp_key=a"),    SLICE("app%5fkey=a"),
        SLICE("App_Key=a"),           SLICE("app_key[]=a"),         SLICE("a=b;app_key=c"),  SLICE("app.key=a"),
        SLICE("app_key=a&%61pp_key=b"), SLICE("app_key%00=a"),      SLICE("+app_key=a"),
    };
    struct credential query = by_query(), header;
    struct request_head asterisk = {.method = SLICE("OPTIONS"), .path = SLICE("*"), .query = SLICE_EMPTY};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = get_with(SLICE("/a"), rows[i]);

        assert_row(rows[i], inject_check(&query, &request) != NULL);
    }
    assert_non_null(inject_check(&query, &asterisk));

    header = by_header(); /* which uses no parameter: nothing in the query is its business */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = get_with(SLICE("/a"), rows[i]);

        assert_row(rows[i], inject_check(&header, &request) == NULL);
    }
    assert_head(&header, SLICE("k3y"), &asterisk,
                "OPTIONS * HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k3y\r\n" IDENTITY "\r\n");
}

/* Whatever a key is made of, it stays one parameter's value. */
static void a_secret_is_escaped_in_a_query(void **state) {
    static char odd_name[] = "the key&x";
    struct credential credential = by_query();
    struct request_head request = get(SLICE("/a"));

    (void)state;
    assert_head(
        &credential, SLICE("a&b=c#d e%f+g/h?i;j\"k"), &request,
        "GET /a?app_key=a%26b%3Dc%23d%20e%25f%2Bg%2Fh%3Fi%3Bj%22k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY
        "\r\n");
    assert_head(&credential, SLICE("\r\nHost: evil\0\xff"), &request,
                "GET /a?app_key=%0D%0AHost%3A%20evil%00%FF HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("AZaz09-._~"), &request,
                "GET /a?app_key=AZaz09-._~ HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    credential.inject.name = odd_name;
    assert_head(&credential, SLICE("k"), &request,
                "GET /a?the%20key%26x=k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
}

static void headers(void **state) {
    struct credential credential = by_header();
    struct request_head request = get_with(SLICE("/a"), SLICE("x=y")), empty = get_with(SLICE("/"), SLICE_EMPTY);

    (void)state;
    assert_head(&credential, SLICE("k3y"), &request,
                "GET /a?x=y HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k3y\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k3y"), &empty,
                "GET /? HTTP/1.1\r\nHost: api.example.org\r\nX-Api-Key: k3y\r\n" IDENTITY "\r\n");
    credential.inject = (struct inject){INJECT_HEADER, authorization, bearer};
    assert_head(&credential, SLICE("k {} 3y"), &empty,
                "GET /? HTTP/1.1\r\nHost: api.example.org\r\nAuthorization: Bearer k {} 3y\r\n" IDENTITY "\r\n");
    credential.inject.format = quoted;
    assert_head(&credential, SLICE("k"), &empty,
                "GET /? HTTP/1.1\r\nHost: api.example.org\r\nAuthorization: Key \"k\";v=1\r\n" IDENTITY "\r\n");
}

/* A byte that a field cannot hold must not split the head, wherever the secret came from. */
static void secrets_that_no_field_can_hold(void **state) {
    static const struct slice rows[] = {SLICE("a\r\nHost: evil"), SLICE("a\nb"), SLICE("a\rb"),
                                        SLICE("a\0b"),            SLICE("\x1b"), SLICE("a\x7f")};
    struct request_head request = get(SLICE("/"));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_secret_ struct secret *secret = secret_of(rows[i]);
        struct credential credential = by_header();
        struct buf out;

        buf_init_secret(&out, LIMIT_DATAGRAM);
        assert_row(rows[i], inject_write_head(&out, &credential, secret, &request) == -EINVAL);
        buf_release(&out);
    }
}

static void a_format_without_its_place(void **state) {
    static char none[] = "Bearer", cut[] = "Bearer {";
    char *const rows[] = {none, cut};
    struct request_head request = get(SLICE("/"));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_secret_ struct secret *secret = secret_of(SLICE("k"));
        struct credential credential = by_header();
        struct buf out;

        credential.inject.format = rows[i];
        buf_init_secret(&out, LIMIT_DATAGRAM);
        assert_int_equal(inject_write_head(&out, &credential, secret, &request), -EINVAL);
        buf_release(&out);
    }
}

/* Every field that a server could take a credential from, in every spelling that reaches a CGI as the same name. */
static void what_could_carry_another_credential(void **state) {
    static const struct slice stripped[] = {
        SLICE("Authorization"), SLICE("authorization"), SLICE("AUTHORIZATION"), SLICE("Proxy-Authorization"),
        SLICE("Proxy_Authorization"), SLICE("Cookie"),  SLICE("cOOKIE"),        SLICE("X-Api-Key"),
        SLICE("x-api-key"),     SLICE("X_Api_Key"),     SLICE("x_api-key"),     SLICE("X-API_KEY"),
        SLICE("Api-Key"),       SLICE("Apikey"),        SLICE("X-Auth-Token"),  SLICE("X_Auth_Token"),
        SLICE("X-Access-Token"), SLICE("X-Token"),      SLICE("Private-Token"), SLICE("PRIVATE_TOKEN"),
        SLICE("X-Vault-Token"), SLICE("X-Goog-Api-Key"), SLICE("X-Amz-Security-Token"),
        SLICE("Accept-Encoding"), SLICE("accept_encoding"), /* it carries none, but could hide one in what comes back */
    };
    static const struct slice kept[] = {
        SLICE("Accept"),      SLICE("X-Api-Keys"),     SLICE("XApiKey"), SLICE("X-Request-Id"), SLICE("Authorizations"),
        SLICE("Set-Cookie"),  SLICE("Content-Type"),   SLICE("X.Api.Key"),
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
    static char custom[] = "X-Custom-Secret";
    static const struct http_field fields[] = {
        {SLICE("X-Custom-Secret"), SLICE("a")},     {SLICE("x-custom-secret"), SLICE("b")},
        {SLICE("X_Custom_Secret"), SLICE("c")},     {SLICE("X-Custom_secret"), SLICE("d")},
        {SLICE("X-Custom-Secrets"), SLICE("kept")}, {SLICE("Cookie"), SLICE("e")},
    };
    struct credential credential = made("https://api.example.org", INJECT_HEADER, custom, bearer);
    struct request_head request = get(SLICE("/"));

    (void)state;
    request.fields = fields;
    request.n_fields = ARRAY_LEN(fields);
    assert_head(
        &credential, SLICE("k"), &request,
        "GET / HTTP/1.1\r\nHost: api.example.org\r\nX-Custom-Secrets: kept\r\nX-Custom-Secret: Bearer k\r\n" IDENTITY
        "\r\n");
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
        struct credential credential = made(rows[i].upstream, INJECT_QUERY, app_key, NULL);
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
    credential = made(upstream, INJECT_QUERY, app_key, NULL);
    (void)snprintf(expected, sizeof(expected), "GET /?app_key=k HTTP/1.1\r\nHost: %s\r\n" IDENTITY "\r\n",
                   upstream + 8);
    assert_head(&credential, SLICE("k"), &request, expected);
}

static void base_paths(void **state) {
    struct credential credential = made("https://api.example.org/base/v1/", INJECT_QUERY, app_key, NULL);
    struct request_head root = get(SLICE("/")), deep = get_with(SLICE("/a/b"), SLICE("x=y")),
                        asterisk = {.method = SLICE("OPTIONS"), .path = SLICE("*"), .query = SLICE_EMPTY};

    (void)state;
    assert_head(&credential, SLICE("k"), &root,
                "GET /base/v1/?app_key=k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k"), &deep,
                "GET /base/v1/a/b?x=y&app_key=k HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    credential = made("https://api.example.org/base", INJECT_HEADER, x_api_key, plain);
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
        cmocka_unit_test(query_absent),
        cmocka_unit_test(query_once),
        cmocka_unit_test(queries_that_cannot_carry_it),
        cmocka_unit_test(a_secret_is_escaped_in_a_query),
        cmocka_unit_test(headers),
        cmocka_unit_test(secrets_that_no_field_can_hold),
        cmocka_unit_test(a_format_without_its_place),
        cmocka_unit_test(what_could_carry_another_credential),
        cmocka_unit_test(the_injected_field_stands_there_once),
        cmocka_unit_test(hosts),
        cmocka_unit_test(the_longest_host),
        cmocka_unit_test(base_paths),
        cmocka_unit_test(framing),
        cmocka_unit_test(a_field_that_ends_its_line),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
