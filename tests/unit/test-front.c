#include "ingress/front/front.h"

#include <nettle/sha2.h>

#include "unit_front.h"

static void set_secret(struct front *front, const char *secret) {
    struct sha256_ctx context;

    (void)snprintf(front->secret_header, sizeof(front->secret_header), "X-Front-Secret");
    sha256_init(&context);
    sha256_update(&context, strlen(secret), (const uint8_t *)secret);
    sha256_digest(&context, SHA256_DIGEST_SIZE, front->secret_digest);
    front->has_digest = true;
}

static enum naming identify(const struct front *front, const struct http_field *fields, size_t n, struct named *ret) {
    struct peer peer = peer_at(front, "127.0.0.1");
    struct request_head request = request_of(fields, n);

    return front_identify(front, &peer, &request, ret);
}

static void trusts_loopback_and_unix_alone_by_default(void **state) {
    _cleanup_free_ struct front *front = front_new();

    (void)state;
    assert_true(peer_at(front, "127.0.0.1").is_trusted);
    assert_true(peer_at(front, "127.9.9.9").is_trusted);
    assert_true(peer_at(front, "::1").is_trusted);
    assert_true(peer_at(front, "::ffff:127.0.0.1").is_trusted);
    assert_true(peer_of_uid(front, 33).is_trusted);
    assert_false(peer_at(front, "10.0.0.1").is_trusted);
    assert_false(peer_at(front, "::2").is_trusted);
    assert_false(peer_at(front, "::ffff:10.0.0.1").is_trusted);
}

static void trusts_of_unix_peers_only_the_users_that_are_listed(void **state) {
    _cleanup_free_ struct front *front = front_new();

    (void)state;
    front->takes_all_uids = false;
    assert_false(peer_of_uid(front, 0).is_trusted);
    front->uids[front->n_uids++] = 33;
    assert_true(peer_of_uid(front, 33).is_trusted);
    assert_false(peer_of_uid(front, 0).is_trusted);
    assert_false(peer_of_uid(front, 34).is_trusted);
}

static void trusts_whom_the_doorman_has_let_in(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = {.kind = PEER_CERTIFICATE};

    (void)state;
    assert_true(front_trusts(front, &peer));
}

static void shows_peers_without_a_port(void **state) {
    _cleanup_free_ struct front *front = front_new();
    static const char *const rows[][2] = {
        {"127.0.0.1", "127.0.0.1"},      {"255.255.255.255", "255.255.255.255"}, {"0.0.0.0", "0.0.0.0"}, {"::1", "::1"},
        {"::ffff:10.0.0.1", "10.0.0.1"}, {"2001:db8::1", "2001:db8::1"},
    };
    char text[ADDRESS_TEXT_MAX];
    struct peer unix_peer = peer_of_uid(front, UINT32_MAX);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer peer = peer_at(front, rows[i][0]);

        assert_int_equal(peer_format(&peer, text), strlen(rows[i][1]));
        assert_string_equal(text, rows[i][1]);
    }
    assert_int_equal(peer_format(&unix_peer, text), strlen("unix:4294967295"));
    assert_string_equal(text, "unix:4294967295");
}

static void a_stranger_names_nobody(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "192.0.2.1");
    struct http_field field = FIELD("X-authentik-username", "victim");
    struct request_head request = request_of(&field, 1);
    struct named named;

    (void)state;
    assert_int_equal(front_identify(front, &peer, &request, &named), NAMED_BY_STRANGER);
    assert_string_equal(named.name, "");
    assert_non_null(named.reason);
}

static void takes_the_name_of_the_identity_field(void **state) {
    _cleanup_free_ struct front *front = front_new();
    const struct http_field fields[] = {FIELD("Accept", "*/*"), FIELD("x-AUTHENTIK-username", "alice")};
    struct named named;

    (void)state;
    assert_int_equal(identify(front, fields, 2, &named), NAMED);
    assert_string_equal(named.name, "alice");
    assert_null(named.reason);
}

static void refuses_two_identities(void **state) {
    _cleanup_free_ struct front *front = front_new();
    const struct http_field twice[] = {FIELD("X-authentik-username", "alice"), FIELD("X-Authentik-Username", "alice")};
    const struct http_field list = FIELD("X-authentik-username", "alice, mallory");
    struct named named;

    (void)state;
    assert_int_equal(identify(front, twice, 2, &named), NAMED_BADLY);
    assert_string_equal(named.name, "");
    assert_int_equal(identify(front, &list, 1, &named), NAMED_BADLY);
}

static void names_nobody_without_a_name(void **state) {
    _cleanup_free_ struct front *front = front_new();
    static const struct slice rows[] = {
        SLICE(""),
        SLICE("@"),
        SLICE("@example.org"),
        SLICE("a@b@c"),
        SLICE("a@b@"),
        SLICE("a@@b"),
        SLICE("al\tice"),
        SLICE("al\x7fice"),
        SLICE("al\x1fice"),
        SLICE("al\0ice"),
        SLICE("j\xc3\xbcrgen"),
        SLICE("\xff"),
        SLICE(" alice"),
        SLICE("alice "),
        SLICE("alice @b"),
        SLICE("alice@b c"),
        SLICE("alice@b\xe9"),
    };
    struct named named;

    (void)state;
    assert_int_equal(identify(front, NULL, 0, &named), NAMED_NOBODY);
    assert_string_equal(named.reason, "no t3 instance provisioned for this user");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice value = exact_copy(rows[i]);
        struct http_field field = {SLICE("X-authentik-username"), value};

        assert_row(rows[i], identify(front, &field, 1, &named) == NAMED_NOBODY);
        assert_string_equal(named.name, "");
    }
}

static void names_are_no_longer_than_the_limit(void **state) {
    _cleanup_free_ struct front *front = front_new();
    char text[LIMIT_PERSON + 1 + LIMIT_HOST + 2];
    struct named named;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(front_name(front, slice_of(text, LIMIT_PERSON), &named), NAMED);
    assert_int_equal(strlen(named.name), LIMIT_PERSON);
    assert_int_equal(front_name(front, slice_of(text, LIMIT_PERSON + 1), &named), NAMED_NOBODY);
    text[LIMIT_PERSON] = '@';
    assert_int_equal(front_name(front, slice_of(text, LIMIT_PERSON + 1 + LIMIT_HOST), &named), NAMED);
    assert_int_equal(front_name(front, slice_of(text, LIMIT_PERSON + 1 + LIMIT_HOST + 1), &named), NAMED_NOBODY);
}

static void cuts_any_domain_where_none_is_listed(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct named named;

    (void)state;
    assert_int_equal(front_name(front, SLICE("alice@evil.example"), &named), NAMED);
    assert_string_equal(named.name, "alice");
    assert_int_equal(front_name(front, SLICE("alice@"), &named), NAMED);
    assert_string_equal(named.name, "alice");
}

static void cuts_listed_domains_and_no_other(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct named named;

    (void)state;
    (void)snprintf(front->domains[front->n_domains++], LIMIT_HOST + 1, "good.example");
    (void)snprintf(front->domains[front->n_domains++], LIMIT_HOST + 1, "also.example");
    assert_int_equal(front_name(front, SLICE("alice@good.example"), &named), NAMED);
    assert_string_equal(named.name, "alice");
    assert_int_equal(front_name(front, SLICE("alice@Also.EXAMPLE"), &named), NAMED);
    assert_int_equal(front_name(front, SLICE("alice"), &named), NAMED);
    assert_string_equal(named.name, "alice");
    assert_int_equal(front_name(front, SLICE("alice@evil.example"), &named), NAMED_NOBODY);
    assert_int_equal(front_name(front, SLICE("alice@"), &named), NAMED_NOBODY);
    assert_int_equal(front_name(front, SLICE("alice@good.example."), &named), NAMED_NOBODY);
    assert_int_equal(front_name(front, SLICE("alice@good.example@good.example"), &named), NAMED_NOBODY);
    assert_int_equal(front_name(front, SLICE("alice@x.good.example"), &named), NAMED_NOBODY);
}

static void a_front_must_show_the_secret(void **state) {
    _cleanup_free_ struct front *front = front_new();
    const struct http_field none[] = {FIELD("X-authentik-username", "alice")};
    const struct http_field wrong[] = {none[0], FIELD("X-Front-Secret", "hunter3")};
    const struct http_field empty[] = {none[0], FIELD("X-Front-Secret", "")};
    const struct http_field right[] = {none[0], FIELD("x-front-secret", "hunter2")};
    const struct http_field twice[] = {none[0], right[1], right[1]};
    const struct http_field both[] = {none[0], wrong[1], right[1]};
    struct named named;

    (void)state;
    set_secret(front, "hunter2");
    assert_int_equal(identify(front, none, 1, &named), NAMED_BY_STRANGER);
    assert_int_equal(identify(front, wrong, 2, &named), NAMED_BY_STRANGER);
    assert_int_equal(identify(front, empty, 2, &named), NAMED_BY_STRANGER);
    assert_int_equal(identify(front, right, 2, &named), NAMED);
    assert_string_equal(named.name, "alice");
    assert_int_equal(identify(front, twice, 3, &named), NAMED_BADLY);
    assert_int_equal(identify(front, both, 3, &named), NAMED_BADLY);
    assert_string_equal(named.name, "");
}

static void no_secret_is_right_before_its_digest_has_come(void **state) {
    _cleanup_free_ struct front *front = front_new();
    const struct http_field fields[] = {FIELD("X-authentik-username", "alice"), FIELD("X-Front-Secret", "hunter2")};
    const struct http_field empty[] = {fields[0], FIELD("X-Front-Secret", "")};
    struct named named;

    (void)state;
    set_secret(front, "");
    assert_int_equal(identify(front, empty, 2, &named), NAMED_BY_STRANGER);
    set_secret(front, "hunter2");
    front->has_digest = false;
    assert_int_equal(identify(front, fields, 2, &named), NAMED_BY_STRANGER);
}

static void a_secret_does_not_make_a_stranger_a_front(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct peer peer = peer_at(front, "192.0.2.1");
    const struct http_field fields[] = {FIELD("X-authentik-username", "alice"), FIELD("X-Front-Secret", "hunter2")};
    struct request_head request = request_of(fields, 2);
    struct named named;

    (void)state;
    set_secret(front, "hunter2");
    assert_int_equal(front_identify(front, &peer, &request, &named), NAMED_BY_STRANGER);
}

static void with_an_assertion_the_identity_field_says_nothing(void **state) {
    _cleanup_free_ struct front *front = front_new();
    const struct http_field fields[] = {FIELD("X-authentik-username", "victim"), FIELD("X-Authentik-JWT", "a.b.c")};
    const struct http_field twice[] = {fields[0], fields[1], fields[1]};
    struct named named;

    (void)state;
    (void)snprintf(front->assertion_header, sizeof(front->assertion_header), "X-authentik-jwt");
    assert_int_equal(identify(front, fields, 2, &named), NAMED_BY);
    assert_slice(named.assertion, "a.b.c");
    assert_string_equal(named.name, "");
    assert_int_equal(identify(front, fields, 1, &named), NAMED_NOBODY);
    assert_int_equal(identify(front, twice, 3, &named), NAMED_BADLY);
    assert_int_equal(named.assertion.n, 0);
}

static void refuses_an_assertion_that_is_too_long(void **state) {
    _cleanup_free_ struct front *front = front_new();
    _cleanup_free_ char *text = malloc(LIMIT_ASSERTION + 1);
    struct http_field field = {SLICE("X-authentik-jwt"), slice_of(text, LIMIT_ASSERTION)};
    struct named named;

    (void)state;
    assert_non_null(text);
    memset(text, 'a', LIMIT_ASSERTION + 1);
    (void)snprintf(front->assertion_header, sizeof(front->assertion_header), "X-authentik-jwt");
    assert_int_equal(identify(front, &field, 1, &named), NAMED_BY);
    field.value.n++;
    assert_int_equal(identify(front, &field, 1, &named), NAMED_NOBODY);
}

static void administrators_are_those_listed(void **state) {
    _cleanup_free_ struct front *front = front_new();

    (void)state;
    assert_false(front_is_admin(front, ""));
    (void)snprintf(front->admins[front->n_admins++], LIMIT_PERSON + 1, "alice");
    assert_true(front_is_admin(front, "alice"));
    assert_false(front_is_admin(front, "Alice"));
    assert_false(front_is_admin(front, "alic"));
    assert_false(front_is_admin(front, ""));
}

static void protects_what_is_set_from_connection(void **state) {
    _cleanup_free_ struct front *front = front_new();
    struct slice names[LIMIT_PROTECTED];
    size_t n = front_protected(front, names, LIMIT_PROTECTED), with_all;

    (void)state;
    assert_true(n > 1);
    assert_slice(names[0], "X-authentik-username");
    (void)snprintf(front->secret_header, sizeof(front->secret_header), "X-Front-Secret");
    (void)snprintf(front->assertion_header, sizeof(front->assertion_header), "X-authentik-jwt");
    with_all = front_protected(front, names, LIMIT_PROTECTED);
    assert_int_equal(with_all, n + 2);
    assert_slice(names[1], "X-Front-Secret");
    assert_slice(names[2], "X-authentik-jwt");
    for (size_t i = 0; i < with_all; i++)
        assert_true(http_is_token(names[i]));
    assert_int_equal(front_protected(front, names, 2), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusts_loopback_and_unix_alone_by_default),
        cmocka_unit_test(trusts_of_unix_peers_only_the_users_that_are_listed),
        cmocka_unit_test(trusts_whom_the_doorman_has_let_in),
        cmocka_unit_test(shows_peers_without_a_port),
        cmocka_unit_test(a_stranger_names_nobody),
        cmocka_unit_test(takes_the_name_of_the_identity_field),
        cmocka_unit_test(refuses_two_identities),
        cmocka_unit_test(names_nobody_without_a_name),
        cmocka_unit_test(names_are_no_longer_than_the_limit),
        cmocka_unit_test(cuts_any_domain_where_none_is_listed),
        cmocka_unit_test(cuts_listed_domains_and_no_other),
        cmocka_unit_test(a_front_must_show_the_secret),
        cmocka_unit_test(no_secret_is_right_before_its_digest_has_come),
        cmocka_unit_test(a_secret_does_not_make_a_stranger_a_front),
        cmocka_unit_test(with_an_assertion_the_identity_field_says_nothing),
        cmocka_unit_test(refuses_an_assertion_that_is_too_long),
        cmocka_unit_test(administrators_are_those_listed),
        cmocka_unit_test(protects_what_is_set_from_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
