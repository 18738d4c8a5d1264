#include "unit_front.h"

struct forwarding {
    struct http_field kept[LIMIT_FIELDS];
    size_t n_kept;
    struct forwarded made;
};

static struct forwarding *forward(const struct front *front, const struct peer *peer, const struct http_field *fields,
                                  size_t n, const char *identity_header) {
    static struct forwarding forwarding;
    struct request_head request = request_of(fields, n);

    front_forward(front, peer, &request, identity_header, "alice", forwarding.kept, &forwarding.n_kept,
                  &forwarding.made);
    return &forwarding;
}

/* The value of the one field of that name among those that were made; NULL when there is none. */
static const struct slice *made(const struct forwarding *forwarding, const char *name) {
    const struct slice *found = NULL;

    for (size_t i = 0; i < forwarding->made.n; i++)
        if (slice_equals_nocase(forwarding->made.fields[i].name, slice_of_string(name))) {
            assert_null(found);
            found = &forwarding->made.fields[i].value;
        }
    return found;
}

static void assert_made(const struct forwarding *forwarding, const char *name, const char *value) {
    const struct slice *found = made(forwarding, name);

    if (!found)
        fail_msg("no %s was made", name);
    assert_slice(*found, value);
}

static void drops_what_speaks_of_identity_and_origin(void **state) {
    static const char *const rows[] = {
        "X-authentik-username",
        "x-authentik-USERNAME",
        "X-Front-Secret",
        "Cf-Access-Jwt-Assertion",
        "X-Authentik-Groups",
        "X-Authentik-Meta-App",
        "X-Authentik-",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "Remote-User",
        "Remote-Groups",
        "X-Remote-User",
        "X-WebAuth-User",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "Cf-Access-Authenticated-User-Email",
        "Proxy",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Cluster-Client-IP",
        "X-User",
        "X-User-Name",
        "X-Username",
        "X-Auth-User",
        "X-Auth-Username",
        "X-Auth-Groups",
        "Tailscale-User-Login",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-IAP-JWT-Assertion",
        "X-Token-Claims",
        "X-Amzn-Oidc-Identity",
        "X-MS-CLIENT-PRINCIPAL-NAME",
        "x.user",
        "Fastly-Client-IP",
        "x_forwarded_for",
        "X.Forwarded.For",
        "X-Authentik_Username",
        "X.authentik.username",
        "X_FRONT_SECRET",
        "X-Workspace-User",
        "x_workspace_user",
    };
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "127.0.0.1");

    (void)state;
    (void)snprintf(front->secret_header, sizeof(front->secret_header), "X-Front-Secret");
    (void)snprintf(front->assertion_header, sizeof(front->assertion_header), "Cf-Access-Jwt-Assertion");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice name = exact_copy(slice_of_string(rows[i]));
        struct http_field fields[] = {FIELD("Accept", "*/*"), {name, SLICE("x")}, FIELD("Cookie", "a=b")};
        struct forwarding *forwarding = forward(front, &peer, fields, 3, "X-Workspace-User");

        assert_row(name, forwarding->n_kept == 2);
        assert_slice(forwarding->kept[0].name, "Accept");
        assert_slice(forwarding->kept[1].name, "Cookie");
    }
}

static void keeps_all_others_as_they_came(void **state) {
    static const char *const rows[] = {
        "Accept",
        "Cookie",
        "Content-Type",
        "X-HTTP-Method-Override",
        "X-Requested-With",
        "X-Forward",
        "X-Original",
        "X-Original-URI",
        "Referer",
        "Range",
        "TE",
        "Proxy-Status",
        "X-CSRF-Token",
        "X-Auth-Token",
        "X-User-Agent",
        "X-Token",
        "Tailscale",
        "X-XSRFToken",
        "X-Authenti",
        "Origin",
        "Cf-Ray",
        "True-Client",
        "Remote",
        "X-A",
        "X",
        "x-",
        "Sec-WebSocket-Key",
        "Forward",
        "Forwarded-For",
        "X-authentik",
        "Priority",
        "From",
        "X-Real-IPs",
        "Authorization",
    };
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "127.0.0.1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice name = exact_copy(slice_of_string(rows[i]));
        struct http_field field = {name, SLICE("x")};
        struct forwarding *forwarding = forward(front, &peer, &field, 1, NULL);

        assert_row(name, forwarding->n_kept == 1);
        assert_ptr_equal(forwarding->kept[0].name.p, name.p);
    }
}

static void adds_the_peer_to_what_a_front_says(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "127.0.0.1");
    const struct http_field fields[] = {FIELD("X-Forwarded-For", "203.0.113.9,  2001:db8::7"),
                                        FIELD("X-Forwarded-Proto", "https"), FIELD("X-Forwarded-Host", "evil.example")};
    struct forwarding *forwarding = forward(front, &peer, fields, 3, "X-Forwarded-User");

    (void)state;
    assert_int_equal(forwarding->made.n, 5);
    assert_made(forwarding, "X-Forwarded-For", "203.0.113.9, 2001:db8::7, 127.0.0.1");
    assert_made(forwarding, "X-Forwarded-Proto", "https");
    assert_made(forwarding, "X-Forwarded-Host", "box.example.org");
    assert_made(forwarding, "Forwarded",
                "for=203.0.113.9;proto=https;host=box.example.org, for=\"[2001:db8::7]\", for=127.0.0.1");
    assert_made(forwarding, "X-Forwarded-User", "alice");
    assert_slice(forwarding->made.proto, "https");
    assert_slice(forwarding->made.client, "2001:db8::7");
}

static void believes_nothing_of_a_stranger(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "192.0.2.1");
    const struct http_field fields[] = {FIELD("X-Forwarded-For", "203.0.113.9"), FIELD("X-Forwarded-Proto", "https"),
                                        FIELD("Forwarded", "for=203.0.113.9;proto=https")};
    struct forwarding *forwarding = forward(front, &peer, fields, 3, NULL);

    (void)state;
    assert_made(forwarding, "X-Forwarded-For", "192.0.2.1");
    assert_made(forwarding, "X-Forwarded-Proto", "http");
    assert_made(forwarding, "Forwarded", "for=192.0.2.1;proto=http;host=box.example.org");
    assert_int_equal(forwarding->made.client.n, 0);
}

/* At a tls: place; a front may still know better. */
static void the_connection_tells_the_scheme_where_nobody_does(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "192.0.2.1");
    const struct http_field field = FIELD("X-Forwarded-Proto", "http");

    (void)state;
    peer.kind = PEER_CERTIFICATE;
    peer.is_trusted = true;
    assert_made(forward(front, &peer, NULL, 0, NULL), "X-Forwarded-Proto", "https");
    assert_made(forward(front, &peer, &field, 1, NULL), "X-Forwarded-Proto", "http");
}

static void drops_a_list_that_is_none_of_addresses(void **state) {
    static const struct slice rows[] = {
        SLICE(""),
        SLICE("unknown"),
        SLICE("1.2.3.4, "),
        SLICE(",1.2.3.4"),
        SLICE("1.2.3.4,,::1"),
        SLICE("1.2.3.4:80"),
        SLICE("[::1]"),
        SLICE("::1%eth0"),
        SLICE("1.2.3"),
        SLICE("01.2.3.4"),
        SLICE("1.2.3.4;"),
        SLICE("\"1.2.3.4\""),
        SLICE("1.2.3.4 5.6.7.8"),
        SLICE("unix:"),
        SLICE("1.2.3.4\0"),
        SLICE("1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
              "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1"), /* seventeen */
    };
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "127.0.0.1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice value = exact_copy(rows[i]);
        struct http_field field = {SLICE("X-Forwarded-For"), value};
        struct forwarding *forwarding = forward(front, &peer, &field, 1, NULL);

        assert_made(forwarding, "X-Forwarded-For", "127.0.0.1");
        assert_row(rows[i], forwarding->made.client.n == 0);
    }
}

static void two_fields_of_a_front_say_nothing(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "127.0.0.1");
    const struct http_field fields[] = {FIELD("X-Forwarded-For", "203.0.113.9"), FIELD("x-forwarded-for", "1.2.3.4"),
                                        FIELD("X-Forwarded-Proto", "https"), FIELD("X-Forwarded-Proto", "https")};
    struct forwarding *forwarding = forward(front, &peer, fields, 4, NULL);

    (void)state;
    assert_int_equal(forwarding->n_kept, 0);
    assert_made(forwarding, "X-Forwarded-For", "127.0.0.1");
    assert_made(forwarding, "X-Forwarded-Proto", "http");
}

static void a_scheme_is_one_of_two_words(void **state) {
    static const char *const rows[] = {"", "HTTPS", "https ", "wss", "http,https", "ftp", "https;x"};
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "127.0.0.1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_field field = {SLICE("X-Forwarded-Proto"), slice_of_string(rows[i])};

        assert_made(forward(front, &peer, &field, 1, NULL), "X-Forwarded-Proto", "http");
    }
}

static void a_unix_peer_adds_no_address(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_of_uid(front, 33);
    const struct http_field field = FIELD("X-Forwarded-For", "203.0.113.9");
    struct forwarding *forwarding = forward(front, &peer, &field, 1, NULL);

    (void)state;
    assert_made(forwarding, "X-Forwarded-For", "203.0.113.9");
    assert_made(forwarding, "Forwarded", "for=203.0.113.9;proto=http;host=box.example.org, for=unknown");
    forwarding = forward(front, &peer, NULL, 0, NULL);
    assert_null(made(forwarding, "X-Forwarded-For"));
    assert_made(forwarding, "Forwarded", "for=unknown;proto=http;host=box.example.org");
}

static void a_host_is_quoted_where_it_must_be(void **state) {
    static const char *const rows[][2] = {
        {"localhost:3780", "for=\"[::1]\";proto=http;host=\"localhost:3780\""},
        {"[::1]:3780", "for=\"[::1]\";proto=http;host=\"[::1]:3780\""},
        {"a", "for=\"[::1]\";proto=http;host=a"},
        {"a\"b", "for=\"[::1]\";proto=http"}, /* no head that was parsed has such a Host */
        {"", "for=\"[::1]\";proto=http"},
    };
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "::1");
    static struct forwarding forwarding;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request_head request = {.host = slice_of_string(rows[i][0])};

        front_forward(front, &peer, &request, NULL, "alice", forwarding.kept, &forwarding.n_kept, &forwarding.made);
        assert_made(&forwarding, "Forwarded", rows[i][1]);
        assert_int_equal(made(&forwarding, "X-Forwarded-Host") != NULL, *rows[i][0] != '\0');
    }
}

static void the_longest_of_all_fits(void **state) {
    static const char one[] = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "::1");
    char list[LIMIT_FORWARDED * (sizeof(one) + 1)], host[LIMIT_AUTHORITY];
    struct http_field field = {SLICE("X-Forwarded-For"), SLICE_EMPTY};
    struct request_head request = {.fields = &field, .n_fields = 1, .host = slice_of(host, sizeof(host))};
    static struct forwarding forwarding;
    size_t n = 0;

    (void)state;
    memset(host, '(', sizeof(host));
    for (size_t i = 0; i < LIMIT_FORWARDED; i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i > 0 ? "," : "", one);
    field.value = slice_of(list, n);
    front_forward(front, &peer, &request, "X-User", "alice", forwarding.kept, &forwarding.n_kept, &forwarding.made);
    assert_true(slice_ends_with(*made(&forwarding, "X-Forwarded-For"), SLICE("255.255.255.255, ::1")));
    assert_true(slice_ends_with(*made(&forwarding, "Forwarded"), SLICE("255.255.255.255]\", for=\"[::1]\"")));
    assert_int_equal(made(&forwarding, "Forwarded")->n, 17 * strlen("for=\"[]\"") + 16 * strlen(one) + strlen("::1") +
                                                            16 * strlen(", ") + strlen(";proto=http;host=\"\"") +
                                                            sizeof(host));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_what_speaks_of_identity_and_origin),
        cmocka_unit_test(keeps_all_others_as_they_came),
        cmocka_unit_test(adds_the_peer_to_what_a_front_says),
        cmocka_unit_test(believes_nothing_of_a_stranger),
        cmocka_unit_test(the_connection_tells_the_scheme_where_nobody_does),
        cmocka_unit_test(drops_a_list_that_is_none_of_addresses),
        cmocka_unit_test(two_fields_of_a_front_say_nothing),
        cmocka_unit_test(a_scheme_is_one_of_two_words),
        cmocka_unit_test(a_unix_peer_adds_no_address),
        cmocka_unit_test(a_host_is_quoted_where_it_must_be),
        cmocka_unit_test(the_longest_of_all_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
