#include "egress/keeper/inject.h"

#include "unit_inject.h"

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
        SLICE("app_key=a&app_key=b"), SLICE("app_key=a&app_key=a"), SLICE("%61pp_key=a"),
        SLICE("app%5fkey=a"),         SLICE("App_Key=a"),           SLICE("app_key[]=a"),
        SLICE("a=b;app_key=c"),       SLICE("app.key=a"),           SLICE("app_key=a&%61pp_key=b"),
        SLICE("app_key%00=a"),        SLICE("+app_key=a"),
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
    credential = for_api(INJECT_QUERY, "the key&x", NULL);
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
    credential = for_api(INJECT_HEADER, "Authorization", "Bearer {}");
    assert_head(&credential, SLICE("k {} 3y"), &empty,
                "GET /? HTTP/1.1\r\nHost: api.example.org\r\nAuthorization: Bearer k {} 3y\r\n" IDENTITY "\r\n");
    credential = for_api(INJECT_HEADER, "Authorization", "Key {\"{}\"};v=1");
    assert_head(&credential, SLICE("k"), &empty,
                "GET /? HTTP/1.1\r\nHost: api.example.org\r\nAuthorization: Key {\"k\"};v=1\r\n" IDENTITY "\r\n");
}

/* Whether the upstream could see any of it. */
static void assert_nothing_written(const struct credential *credential, struct slice bytes) {
    _cleanup_secret_ struct secret *secret = secret_of(bytes);
    struct request_head request = get(SLICE("/"));
    struct buf out;

    buf_init_secret(&out, LIMIT_DATAGRAM);
    assert_row(bytes, inject_write_head(&out, credential, secret, &request) == -EINVAL);
    assert_row(bytes, buf_is_empty(&out));
    buf_release(&out);
}

static void basic(void **state) {
    static const struct http_field fields[] = {{SLICE("Authorization"), SLICE("Basic bWluZTptaW5l")},
                                               {SLICE("authorization"), SLICE("Bearer mine")}};
    struct credential credential = for_api(INJECT_BASIC_USER, "alice", NULL);
    struct request_head request = get_with(SLICE("/a"), SLICE("x=y"));

    (void)state;
    assert_head(&credential, SLICE("k3y"), &request,
                "GET /a?x=y HTTP/1.1\r\nHost: api.example.org\r\nAuthorization: Basic YWxpY2U6azN5\r\n" IDENTITY
                "\r\n");
    request.fields = fields;
    request.n_fields = ARRAY_LEN(fields);
    credential = for_api(INJECT_BASIC_PASSWORD, "x-oauth-basic", NULL);
    assert_head(&credential, SLICE("k3y"), &request,
                "GET /a?x=y HTTP/1.1\r\nHost: api.example.org\r\n"
                "Authorization: Basic azN5Ongtb2F1dGgtYmFzaWM=\r\n" IDENTITY "\r\n");
}

static void cookies(void **state) {
    static const struct http_field fields[] = {{SLICE("Cookie"), SLICE("session=mine")},
                                               {SLICE("cookie"), SLICE("a=b")}};
    struct credential credential = for_api(INJECT_COOKIE, "session", NULL);
    struct request_head request = get(SLICE("/"));

    (void)state;
    assert_head(&credential, SLICE("k3y"), &request,
                "GET / HTTP/1.1\r\nHost: api.example.org\r\nCookie: session=k3y\r\n" IDENTITY "\r\n");
    also(&credential, INJECT_HEADER, "X-CSRF", "{}");
    also(&credential, INJECT_COOKIE, "csrf", NULL);
    also(&credential, INJECT_COOKIE, "Session", NULL);
    request.fields = fields;
    request.n_fields = ARRAY_LEN(fields);
    assert_head(&credential, SLICE("k3y"), &request,
                "GET / HTTP/1.1\r\nHost: api.example.org\r\nX-CSRF: k3y\r\n"
                "Cookie: session=k3y; csrf=k3y; Session=k3y\r\n" IDENTITY "\r\n");
}

static void paths(void **state) {
    struct credential credential = for_api(INJECT_PATH, NULL, "/bot{}");
    struct request_head root = get(SLICE("/")), deep = get_with(SLICE("/a/b"), SLICE("x=y")),
                        odd = get(SLICE("//a/../b;c=d/%7e"));

    (void)state;
    assert_head(&credential, SLICE("12:Ab-c_d"), &root,
                "GET /bot12:Ab-c_d/ HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k/3?y"), &deep,
                "GET /botk%2F3%3Fy/a/b?x=y HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    assert_head(&credential, SLICE("k"), &odd,
                "GET /botk//a/../b;c=d/%7e HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
    credential = made("https://api.example.org/base/v1", INJECT_PATH, NULL, "/t/{}/api");
    assert_head(&credential, SLICE("k"), &deep,
                "GET /base/v1/t/k/api/a/b?x=y HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n");
}

/* Rules may permit everything: a path that climbs out of what the key stands in is refused all the same. */
static void paths_that_cannot_carry_it(void **state) {
    static const struct slice rows[] = {
        SLICE("/../a"), SLICE("/a/../../b"), SLICE("/%2e%2e/a"), SLICE("/..;/a"),        SLICE("/..%2fa"),
        SLICE("/a%00"), SLICE("/..%5ca"),    SLICE("/..\\a"),    SLICE("/%252e%252e/a"), SLICE("*")};
    struct credential path = for_api(INJECT_PATH, NULL, "/bot{}");

    (void)state;
    path.allows_all = true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = get(rows[i]);

        assert_row(rows[i], inject_check(&path, &request) != NULL);
    }
}

static void two_parameters(void **state) {
    static const struct {
        struct slice query;
        const char *target;
    } rows[] = {
        {SLICE(""), "/?app_key=k&token=k"},
        {SLICE("x=y"), "/?x=y&app_key=k&token=k"},
        {SLICE("x=y&"), "/?x=y&app_key=k&token=k"},
        {SLICE("token=mine"), "/?token=k&app_key=k"},
        {SLICE("token=mine&app_key=mine"), "/?token=k&app_key=k"},
        {SLICE("app_key&x=token=y&token"), "/?app_key=k&x=token=y&token=k"},
        {SLICE("&app_key=mine&"), "/?&app_key=k&token=k"},
    };
    static const struct slice refused[] = {SLICE("token=a&token=b"), SLICE("app_key=a&token=b&app_key=c"),
                                           SLICE("app_key=a&Token=b"), SLICE("app_key=a;token=b")};
    struct credential credential = by_query();

    (void)state;
    also(&credential, INJECT_QUERY, "token", NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = get_with(SLICE("/"), rows[i].query);
        char expected[256];

        (void)snprintf(expected, sizeof(expected), "GET %s HTTP/1.1\r\nHost: api.example.org\r\n" IDENTITY "\r\n",
                       rows[i].target);
        assert_head(&credential, SLICE("k"), &request, expected);
    }
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct request_head request = get_with(SLICE("/"), refused[i]);

        assert_row(refused[i], inject_check(&credential, &request) != NULL);
    }
}

/* As many as there may be, each in its place, whatever the workload has put there. */
static void all_kinds_at_once(void **state) {
    static const struct http_field fields[] = {
        {SLICE("Accept"), SLICE("*/*")},    {SLICE("Authorization"), SLICE("Bearer mine")},
        {SLICE("X_First"), SLICE("mine")},  {SLICE("Cookie"), SLICE("one=mine")},
        {SLICE("x-second"), SLICE("mine")}, {SLICE("X-Third"), SLICE("mine")},
    };
    struct credential credential = made("https://api.example.org/v1", INJECT_COOKIE, "one", NULL);
    struct request_head request = get_with(SLICE("/a"), SLICE("p=mine&r=s"));

    (void)state;
    also(&credential, INJECT_HEADER, "X-First", "{}");
    also(&credential, INJECT_QUERY, "q", NULL);
    also(&credential, INJECT_PATH, NULL, "/t{}");
    also(&credential, INJECT_BASIC_PASSWORD, "", NULL);
    also(&credential, INJECT_HEADER, "X-Second", "a {} b");
    also(&credential, INJECT_COOKIE, "two", NULL);
    also(&credential, INJECT_QUERY, "p", NULL);
    assert_int_equal(credential.n_inject, LIMIT_INJECTIONS);
    request.fields = fields;
    request.n_fields = ARRAY_LEN(fields);
    assert_head(
        &credential, SLICE("k3y"), &request,
        "GET /v1/tk3y/a?p=k3y&r=s&q=k3y HTTP/1.1\r\nHost: api.example.org\r\nAccept: */*\r\nX-Third: mine\r\n"
        "X-First: k3y\r\nAuthorization: Basic azN5Og==\r\nX-Second: a k3y b\r\nCookie: one=k3y; two=k3y\r\n" IDENTITY
        "\r\n");
}

/* One place that cannot hold it is enough: then it goes to none. */
static void a_secret_that_one_place_cannot_hold(void **state) {
    struct credential credential = by_query();

    (void)state;
    also(&credential, INJECT_HEADER, "X-Api-Key", "{}");
    assert_nothing_written(&credential, SLICE("a\r\nHost: evil"));
    credential = by_query();
    also(&credential, INJECT_COOKIE, "one", NULL);
    assert_nothing_written(&credential, SLICE("a; b"));
    credential = by_query();
    also(&credential, INJECT_BASIC_PASSWORD, "", NULL);
    assert_nothing_written(&credential, SLICE("a:b"));
    credential = by_query();
    also(&credential, INJECT_PATH, NULL, "/{}");
    assert_nothing_written(&credential, SLICE(".."));
}

/* Long ones, for which a buffer that grew would have moved. */
static void literals_stay_where_they_are(void **state) {
    static char much[LIMIT_SECRET];
    struct credential credential = for_api(INJECT_BASIC_USER, "u", NULL);
    _cleanup_secret_ struct secret *secret = NULL;
    struct slice forms[2 * (1 + LIMIT_INJECTIONS)];
    struct buf made_of_it;
    size_t n = 0;

    (void)state;
    memset(much, 's', sizeof(much));
    secret = secret_of(slice_of(much, sizeof(much)));
    buf_init_secret(&made_of_it, 2 * LIMIT_PAIR);
    assert_int_equal(inject_literals(&credential, secret, &made_of_it, forms, &n), 0);
    assert_int_equal(inject_literals(&credential, secret, &made_of_it, forms, &n), 0);
    assert_int_equal(n, 4);
    assert_true(forms[1].p == buf_slice(&made_of_it).p);
    assert_true(slice_equals(forms[1], forms[3]));
    buf_release(&made_of_it);
}

static void what_a_response_must_not_repeat(void **state) {
    struct credential credential = for_api(INJECT_BASIC_USER, "al", NULL);
    _cleanup_secret_ struct secret *one = secret_of(SLICE("k3y")), *two = secret_of(SLICE("a:b"));
    struct slice forms[2 * (1 + LIMIT_INJECTIONS)];
    struct buf made_of_it;
    size_t n = 0;

    (void)state;
    also(&credential, INJECT_QUERY, "q", NULL);
    also(&credential, INJECT_BASIC_PASSWORD, "u", NULL);
    buf_init_secret(&made_of_it, 4 * LIMIT_PAIR);
    assert_int_equal(inject_literals(&credential, one, &made_of_it, forms, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(inject_literals(&credential, two, &made_of_it, forms, &n), 0);
    assert_int_equal(n, 5); /* as a user it has a colon too many, and is never sent so */
    assert_slice(forms[0], "k3y");
    assert_slice(forms[1], "YWw6azN5");
    assert_slice(forms[2], "azN5OnU");
    assert_slice(forms[3], "a:b");
    assert_slice(forms[4], "YWw6YTpi");
    buf_release(&made_of_it);

    n = 0;
    buf_init_secret(&made_of_it, 11);
    assert_int_equal(inject_literals(&credential, one, &made_of_it, forms, &n), -ENOBUFS);
    buf_release(&made_of_it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_absent),
        cmocka_unit_test(query_once),
        cmocka_unit_test(queries_that_cannot_carry_it),
        cmocka_unit_test(a_secret_is_escaped_in_a_query),
        cmocka_unit_test(headers),
        cmocka_unit_test(basic),
        cmocka_unit_test(cookies),
        cmocka_unit_test(paths),
        cmocka_unit_test(paths_that_cannot_carry_it),
        cmocka_unit_test(two_parameters),
        cmocka_unit_test(all_kinds_at_once),
        cmocka_unit_test(a_secret_that_one_place_cannot_hold),
        cmocka_unit_test(what_a_response_must_not_repeat),
        cmocka_unit_test(literals_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
