#include "egress/door/proxy_route.h"

#include <errno.h>

#include "unit.h"

static const struct exchange_rules rules = {
    .lease = "api", .may_upgrade = true, .protected_fields = {SLICE("Authorization")}, .n_protected = 1};

static int add(uint32_t door, bool is_tls, struct slice host, uint16_t port, struct slice base) {
    return proxy_route_add(
        &(struct door_place){.door = door, .is_tls = is_tls, .host = host, .port = port, .base_path = base}, &rules);
}

static int forget(void **state) {
    (void)state;
    proxy_route_clear();
    return 0;
}

static enum proxy_route find(struct slice text, bool is_tls, const struct proxy_place **ret) {
    struct connect_target target;

    *ret = NULL;
    assert_int_equal(connect_target_parse(text, 0, &target), CONNECT_OK);
    return proxy_route_find(&target, is_tls, ret);
}

static void a_host_belongs_to_its_lease(void **state) {
    const struct proxy_place *place;

    (void)state;
    assert_int_equal(add(3, true, SLICE("api.example.com"), 443, SLICE("/v1")), 0);
    assert_int_equal(add(4, false, SLICE("127.0.0.1"), 8080, SLICE_EMPTY), 0);
    assert_int_equal(add(5, true, SLICE("::1"), 8443, SLICE_EMPTY), 0);
    assert_int_equal(find(SLICE("API.example.com:443"), true, &place), ROUTE_LEASE);
    assert_int_equal(place->door, 3);
    assert_int_equal(place->inside.door, DOOR_PROXY);
    assert_slice(place->inside.authority, "api.example.com:443");
    assert_slice(place->inside.base_path, "/v1");
    assert_int_equal(place->inside.default_port, 443);
    assert_string_equal(place->inside.lease, "api");
    assert_true(place->inside.may_upgrade && !place->inside.is_single && place->single.is_single);
    assert_slice(place->inside.protected_fields[0], "Authorization");
    assert_int_equal(find(SLICE("127.0.0.1:8080"), false, &place), ROUTE_LEASE);
    assert_int_equal(place->door, 4);
    assert_int_equal(find(SLICE("[0:0::1]:8443"), true, &place), ROUTE_LEASE);
    assert_int_equal(place->door, 5);
    assert_slice(place->inside.authority, "[::1]:8443");
}

/* Whoever is led to the proxy asks it for a base_url too; no certificate is made for that. */
static void a_url_of_ours_is_its_lease(void **state) {
    char prefix[] = "0123456789abcdef0123456789abcdef";
    const struct proxy_place *place;

    (void)state;
    assert_int_equal(proxy_route_add_own(7, 40000, slice_of_string(prefix), &rules), 0);
    memset(prefix, 0, sizeof(prefix)); /* copied */
    assert_int_equal(find(SLICE("127.0.0.1:40000"), false, &place), ROUTE_LEASE);
    assert_true(place->is_own);
    assert_int_equal(place->door, 7);
    assert_slice(place->single.prefix, "0123456789abcdef0123456789abcdef");
    assert_slice(place->inside.authority, "127.0.0.1:40000");
    assert_int_equal(find(SLICE("127.0.0.1:40000"), true, &place), ROUTE_LEASE); /* by CONNECT, with no TLS in it */
    assert_int_equal(find(SLICE("127.0.0.1:40001"), false, &place), ROUTE_ELSEWHERE);
    assert_int_equal(find(SLICE("127.0.0.2:40000"), false, &place), ROUTE_ELSEWHERE);
    assert_null(proxy_route_at(0));
}

static void exactly_its_own(void **state) {
    static const struct slice rows[] = {
        SLICE("api.example.com:80"),       SLICE("api.example.com:444"), SLICE("xapi.example.com:443"),
        SLICE("api.example.com.evil:443"), SLICE("example.com:443"),     SLICE("[::ffff:127.0.0.1]:443"),
    };
    const struct proxy_place *place;

    (void)state;
    assert_int_equal(add(1, true, SLICE("api.example.com"), 443, SLICE_EMPTY), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i], find(rows[i], true, &place) == ROUTE_ELSEWHERE);
}

static void the_wrong_scheme_is_known(void **state) {
    const struct proxy_place *place;

    (void)state;
    assert_int_equal(add(1, true, SLICE("api.example.com"), 443, SLICE_EMPTY), 0);
    assert_int_equal(add(2, false, SLICE("plain.example.com"), 80, SLICE_EMPTY), 0);
    assert_int_equal(find(SLICE("api.example.com:80"), false, &place), ROUTE_TLS);
    assert_int_equal(find(SLICE("api.example.com:443"), false, &place), ROUTE_TLS);
    assert_int_equal(place->door, 1);
    assert_int_equal(find(SLICE("plain.example.com:80"), true, &place), ROUTE_PLAIN);
    assert_int_equal(place->door, 2);
    assert_int_equal(find(SLICE("plain.example.com:443"), true, &place), ROUTE_ELSEWHERE);
    assert_int_equal(find(SLICE("api.example.com:8080"), false, &place), ROUTE_ELSEWHERE);
}

static void of_two_for_one_authority_it_is_the_first(void **state) {
    const struct proxy_place *place;

    (void)state;
    assert_int_equal(add(7, true, SLICE("api.example.com"), 443, SLICE_EMPTY), 0);
    assert_int_equal(add(8, true, SLICE("api.example.com"), 443, SLICE_EMPTY), 0);
    assert_int_equal(find(SLICE("api.example.com:443"), true, &place), ROUTE_LEASE);
    assert_int_equal(place->door, 7);
    assert_ptr_equal(proxy_route_at(0), place);
    assert_null(proxy_route_at(2));
}

static void a_place_that_is_none_is_refused(void **state) {
    (void)state;
    assert_int_equal(add(1, true, SLICE("127.1"), 443, SLICE_EMPTY), -EPROTO);
    assert_int_equal(add(1, true, SLICE("a b"), 443, SLICE_EMPTY), -EPROTO);
    assert_null(proxy_route_at(0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_host_belongs_to_its_lease, forget),
        cmocka_unit_test_teardown(exactly_its_own, forget),
        cmocka_unit_test_teardown(a_url_of_ours_is_its_lease, forget),
        cmocka_unit_test_teardown(the_wrong_scheme_is_known, forget),
        cmocka_unit_test_teardown(of_two_for_one_authority_it_is_the_first, forget),
        cmocka_unit_test_teardown(a_place_that_is_none_is_refused, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
