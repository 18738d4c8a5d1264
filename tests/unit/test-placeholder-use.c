#include "egress/placeholder/placeholder_use.h"

#include <string.h>

#include "unit.h"

#define OWN "ghp_Q7rT2vX9zB4nM6kL8pW1"
#define OTHER "sk-a1b2c3d4e5f6g7h8i9"
#define SDK "123456:AAQ7rT2vX9zB4nM6kL8pW1"

static struct canary *canary;

static int set_up(void **state) {
    (void)state;
    return canary_new(&canary) < 0 || canary_add(canary, 1, SLICE(OWN)) < 0 ||
           canary_add(canary, 2, SLICE(OTHER)) < 0 || canary_add(canary, 3, SLICE(SDK)) < 0;
}

static int tear_down(void **state) {
    (void)state;
    canary_unref(canary);
    return 0;
}

static char authorization[] = "Authorization", bearer[] = "token {}", app_key[] = "app_key", session[] = "session",
            user[] = "x-access-token", bot[] = "/bot{}";

static struct inject in_header = {.kind = INJECT_HEADER, .name = authorization, .format = bearer};
static struct inject in_query = {.kind = INJECT_QUERY, .name = app_key};
static struct inject in_cookie = {.kind = INJECT_COOKIE, .name = session};
static struct inject in_basic = {.kind = INJECT_BASIC_USER, .name = user};
static struct inject in_path = {.kind = INJECT_PATH, .format = bot};

static struct placeholder_stray stray;

static enum placeholder_use judge_head(struct inject *inject, const char *own, const char *path, const char *query,
                                       const char *name, const char *value) {
    const struct credential credential = {.inject = inject, .n_inject = 1};
    const struct http_field field = {slice_of_string(name ? name : ""), slice_of_string(value ? value : "")};
    const struct request_head request = {.method = SLICE("GET"),
                                         .path = slice_of_string(path),
                                         .query = slice_of_string(query ? query : ""),
                                         .has_query = query != NULL,
                                         .fields = &field,
                                         .n_fields = name ? 1 : 0};

    stray = (struct placeholder_stray){0};
    return placeholder_judge(&credential, slice_of_string(own), canary, &request, &stray);
}

static enum placeholder_use field(struct inject *inject, const char *name, const char *value) {
    return judge_head(inject, OWN, "/x", NULL, name, value);
}

static enum placeholder_use query(const char *text) {
    return judge_head(&in_query, OWN, "/x", text, NULL, NULL);
}

static void require_stray(enum placeholder_use use, uint32_t lease, const char *where) {
    assert_int_equal(use, PLACEHOLDER_USE_ASTRAY);
    assert_int_equal(stray.lease, lease);
    assert_string_equal(stray.where, where);
}

static void the_key_s_field_may_carry_it_or_nothing(void **state) {
    (void)state;
    assert_int_equal(judge_head(&in_header, OWN, "/x", NULL, NULL, NULL), PLACEHOLDER_USE_GOOD);
    assert_int_equal(field(&in_header, "Authorization", "token " OWN), PLACEHOLDER_USE_GOOD);
    assert_int_equal(field(&in_header, "authorization", "Bearer " OWN), PLACEHOLDER_USE_GOOD);
    assert_int_equal(field(&in_header, "Authorization", OWN), PLACEHOLDER_USE_GOOD);
    assert_int_equal(field(&in_header, "Authorization", ""), PLACEHOLDER_USE_GOOD);
    /* x-access-token:OWN, and OWN:x */
    assert_int_equal(field(&in_header, "Authorization", "Basic eC1hY2Nlc3MtdG9rZW46Z2hwX1E3clQydlg5ekI0bk02a0w4cFcx"),
                     PLACEHOLDER_USE_GOOD);
    assert_int_equal(field(&in_basic, "Authorization", "basic Z2hwX1E3clQydlg5ekI0bk02a0w4cFcxOng="),
                     PLACEHOLDER_USE_GOOD);
}

static void anything_else_there_is_foreign(void **state) {
    (void)state;
    assert_int_equal(field(&in_header, "Authorization", "token ghp_0000"), PLACEHOLDER_USE_FOREIGN);
    assert_int_equal(field(&in_header, "Authorization", "token"), PLACEHOLDER_USE_FOREIGN);
    assert_int_equal(field(&in_header, "Authorization", "Basic eDp5"), PLACEHOLDER_USE_FOREIGN);
    assert_int_equal(field(&in_header, "Authorization", "Basic ***"), PLACEHOLDER_USE_FOREIGN);
    assert_int_equal(query("a=1&app_key=broker-sentinel"), PLACEHOLDER_USE_FOREIGN);
    assert_int_equal(field(&in_cookie, "Cookie", "a=1; session=mine"), PLACEHOLDER_USE_FOREIGN);
    assert_int_equal(judge_head(&in_path, SDK, "/bot99:other/getMe", NULL, NULL, NULL), PLACEHOLDER_USE_FOREIGN);
}

static void in_another_place_it_strays(void **state) {
    (void)state;
    require_stray(field(&in_header, "X-Copy", OWN), 1, "field X-Copy");
    require_stray(field(&in_header, "X-Copy", "a, Z2hwX1E3clQydlg5ekI0bk02a0w4cFcx"), 1, "field X-Copy");
    require_stray(field(&in_header, OWN, "x"), 1, "the name of a field");
    require_stray(field(&in_header, "Cookie", "a=" OWN), 1, "field Cookie");
    require_stray(judge_head(&in_header, OWN, "/collect/" OWN, NULL, NULL, NULL), 1, "the path");
    require_stray(judge_head(&in_header, OWN, "/x", "q=" OWN, NULL, NULL), 1, "the query");
    require_stray(field(&in_header, "Authorization", "Digest x=\"" OWN "\""), 1, "field Authorization");
}

static void another_lease_s_strays_in_the_key_s_place_too(void **state) {
    (void)state;
    require_stray(field(&in_header, "Authorization", "Bearer " OTHER), 2, "field Authorization");
    require_stray(query("app_key=" OTHER), 2, "the query");
    require_stray(judge_head(&in_header, "", "/x", NULL, "Authorization", "Bearer " OTHER), 2, "field Authorization");
    require_stray(field(&in_cookie, "Cookie", "session=" OTHER), 2, "field Cookie");
}

static void a_query_s_parameter_is_exact(void **state) {
    (void)state;
    assert_int_equal(query("app_key=" OWN), PLACEHOLDER_USE_GOOD);
    assert_int_equal(query("a=1&app_key=ghp%5FQ7rT2vX9zB4nM6kL8pW1&b=2"), PLACEHOLDER_USE_GOOD);
    assert_int_equal(query("app_key"), PLACEHOLDER_USE_GOOD);
    assert_int_equal(query("app_key=&a=1"), PLACEHOLDER_USE_GOOD);
    assert_int_equal(query(""), PLACEHOLDER_USE_GOOD);
    require_stray(query("app_key=" OWN "&copy=" OWN), 1, "the query");
    require_stray(query("copy=" OWN "&app_key=" OWN), 1, "the query");
    require_stray(query("app_key=x" OWN), 1, "the query");
    require_stray(query("APP_KEY=" OWN), 1, "the query");
}

static void a_cookie_stands_among_others(void **state) {
    (void)state;
    assert_int_equal(field(&in_cookie, "Cookie", "a=1; session=" OWN "; b=2"), PLACEHOLDER_USE_GOOD);
    require_stray(field(&in_cookie, "Cookie", "session=" OWN "; b=" OWN), 1, "field Cookie");
}

static void require_path(const char *path, const char *expected) {
    const struct credential credential = {.inject = &in_path, .n_inject = 1};
    struct slice left = placeholder_cut_path(&credential, SLICE(SDK), slice_of_string(path));

    assert_int_equal(left.n, strlen(expected));
    assert_memory_equal(left.p, expected, left.n);
}

static void an_sdk_s_path_is_cut(void **state) {
    (void)state;
    require_path("/bot" SDK "/getMe", "/getMe");
    require_path("/bot123456%3aAAQ7rT2vX9zB4nM6kL8pW1/getMe", "/getMe");
    require_path("/bot" SDK, "/");
    require_path("/getMe", "/getMe");
    require_path("/bot" SDK "x/getMe", "/bot" SDK "x/getMe");
    require_path("/bot123456:AAQ7/getMe", "/bot123456:AAQ7/getMe");
    require_path("/x/bot" SDK "/getMe", "/x/bot" SDK "/getMe");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_s_field_may_carry_it_or_nothing),
        cmocka_unit_test(anything_else_there_is_foreign),
        cmocka_unit_test(in_another_place_it_strays),
        cmocka_unit_test(another_lease_s_strays_in_the_key_s_place_too),
        cmocka_unit_test(a_query_s_parameter_is_exact),
        cmocka_unit_test(a_cookie_stands_among_others),
        cmocka_unit_test(an_sdk_s_path_is_cut),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
