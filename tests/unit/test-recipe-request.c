#include "ingress/pairing/recipe_request.h"

#include <errno.h>

#include "unit.h"

static char post[] = "POST", get[] = "GET", path[] = "/login", query[] = "/login?a=1&token={credential}",
            json[] = "{\"a\":[\"{credential}\"],\"b\":\"{credential}\"}", form[] = "token={credential}&x={y}",
            header[] = "X-User";
static struct recipe recipe;
static struct target target;
static struct buf request;

static int begin(void **state) {
    (void)state;
    recipe = (struct recipe){.n_exchanges = 1, .accepted = {200, 302}, .n_accepted = 2};
    target = (struct target){.recipe = &recipe, .host = "box:8443", .is_https = true, .instance.name = SLICE("ann")};
    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&request);
    return 0;
}

#define ORIGIN                                                                                                         \
    "Host: box:8443\r\nX-Forwarded-Host: box:8443\r\nX-Forwarded-Proto: https\r\n"                                     \
    "Accept: application/json, */*;q=0.5\r\nAccept-Encoding: identity\r\nConnection: close\r\n"

static void a_look_carries_the_session_alone(void **state) {
    (void)state;
    assert_int_equal(recipe_write_get(&target, "/api/status", SLICE("s=1; t=2"), &request), 0);
    assert_slice(buf_slice(&request), "GET /api/status HTTP/1.1\r\n" ORIGIN "Cookie: s=1; t=2\r\n\r\n");
    buf_consume(&request, buf_length(&request));
    assert_int_equal(recipe_write_get(&target, "/api/status", SLICE_EMPTY, &request), 0);
    assert_slice(buf_slice(&request), "GET /api/status HTTP/1.1\r\n" ORIGIN "\r\n");
}

static void the_credential_is_escaped_for_its_place(void **state) {
    static const struct slice credential = SLICE("a\"\\\n&=/+ \xc3\xa9");

    (void)state;
    recipe.exchanges[0] = (struct recipe_exchange){post, path, RECIPE_JSON, json};
    assert_int_equal(recipe_write_exchange(&target, 0, credential, &request), 0);
    assert_slice(buf_slice(&request),
                 "POST /login HTTP/1.1\r\n" ORIGIN "Content-Length: 69\r\nContent-Type: application/json\r\n\r\n"
                 "{\"a\":[\"a\\u0022\\u005c\\u000a&=/+ \xc3\xa9\"],\"b\":\"a\\u0022\\u005c\\u000a&=/+ \xc3\xa9\"}");
    buf_consume(&request, buf_length(&request));
    recipe.exchanges[0] = (struct recipe_exchange){post, path, RECIPE_FORM, form};
    assert_int_equal(recipe_write_exchange(&target, 0, credential, &request), 0);
    assert_slice(buf_slice(&request), "POST /login HTTP/1.1\r\n" ORIGIN "Content-Length: 43\r\n"
                                      "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                                      "token=a%22%5C%0A%26%3D%2F%2B%20%C3%A9&x={y}");
    buf_consume(&request, buf_length(&request));
    recipe.exchanges[0] = (struct recipe_exchange){get, query, RECIPE_NO_BODY, NULL};
    assert_int_equal(recipe_write_exchange(&target, 0, credential, &request), 0);
    assert_slice(buf_slice(&request),
                 "GET /login?a=1&token=a%22%5C%0A%26%3D%2F%2B%20%C3%A9 HTTP/1.1\r\n" ORIGIN "\r\n");
}

static void a_post_has_a_length_always(void **state) {
    (void)state;
    recipe.exchanges[0] = (struct recipe_exchange){post, query, RECIPE_NO_BODY, NULL};
    assert_int_equal(recipe_write_exchange(&target, 0, SLICE("k"), &request), 0);
    assert_slice(buf_slice(&request), "POST /login?a=1&token=k HTTP/1.1\r\n" ORIGIN "Content-Length: 0\r\n\r\n");
}

static void says_who_comes_where_the_instance_asks(void **state) {
    (void)state;
    recipe.identity_header = header;
    assert_int_equal(recipe_write_get(&target, "/", SLICE_EMPTY, &request), 0);
    assert_non_null(memmem(buf_slice(&request).p, buf_length(&request), "\r\nX-User: ann\r\n", 15));
}

static void a_browser_without_host_has_a_name(void **state) {
    (void)state;
    target.host[0] = '\0';
    assert_int_equal(recipe_write_get(&target, "/", SLICE_EMPTY, &request), 0);
    assert_non_null(memmem(buf_slice(&request).p, buf_length(&request), "\r\nHost: localhost\r\n", 19));
}

static void no_part_can_split_the_request(void **state) {
    (void)state;
    assert_int_equal(recipe_write_get(&target, "/", SLICE("a=1\r\nX: y"), &request), -EINVAL);
    assert_int_equal(recipe_write_get(&target, "/ HTTP/1.1\r\nX: y", SLICE_EMPTY, &request), -EINVAL);
    target.host[1] = '\n';
    assert_int_equal(recipe_write_get(&target, "/", SLICE_EMPTY, &request), -EINVAL);
}

static void a_long_credential_is_refused_not_cut(void **state) {
    static char credential[LIMIT_SECRET];

    (void)state;
    memset(credential, '\n', sizeof(credential));
    recipe.exchanges[0] = (struct recipe_exchange){post, path, RECIPE_JSON, json};
    assert_int_equal(recipe_write_exchange(&target, 0, slice_of(credential, sizeof(credential)), &request), -ENOBUFS);
}

static void statuses_that_say_yes(void **state) {
    (void)state;
    assert_true(recipe_accepts(&recipe, 200) && recipe_accepts(&recipe, 302));
    assert_false(recipe_accepts(&recipe, 201) || recipe_accepts(&recipe, 0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_look_carries_the_session_alone),     TEST(the_credential_is_escaped_for_its_place),
        TEST(a_post_has_a_length_always),           TEST(says_who_comes_where_the_instance_asks),
        TEST(a_browser_without_host_has_a_name),    TEST(no_part_can_split_the_request),
        TEST(a_long_credential_is_refused_not_cut), TEST(statuses_that_say_yes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
