#include "wire/http_name.h"

#include <ctype.h>

#include "unit.h"

static const struct {
    struct slice text;
    enum http_name name;
} rows[] = {
    {SLICE("A-IM"), HTTP_NAME_A_IM},
    {SLICE("Accept"), HTTP_NAME_ACCEPT},
    {SLICE("Accept-Charset"), HTTP_NAME_ACCEPT_CHARSET},
    {SLICE("Accept-Encoding"), HTTP_NAME_ACCEPT_ENCODING},
    {SLICE("Api-Key"), HTTP_NAME_API_KEY},
    {SLICE("Apikey"), HTTP_NAME_APIKEY},
    {SLICE("Authorization"), HTTP_NAME_AUTHORIZATION},
    {SLICE("Cache-Control"), HTTP_NAME_CACHE_CONTROL},
    {SLICE("Close"), HTTP_NAME_CLOSE},
    {SLICE("Connection"), HTTP_NAME_CONNECTION},
    {SLICE("Content-Length"), HTTP_NAME_CONTENT_LENGTH},
    {SLICE("Content-Type"), HTTP_NAME_CONTENT_TYPE},
    {SLICE("Cookie"), HTTP_NAME_COOKIE},
    {SLICE("Expect"), HTTP_NAME_EXPECT},
    {SLICE("Forwarded"), HTTP_NAME_FORWARDED},
    {SLICE("Host"), HTTP_NAME_HOST},
    {SLICE("If-Range"), HTTP_NAME_IF_RANGE},
    {SLICE("Keep-Alive"), HTTP_NAME_KEEP_ALIVE},
    {SLICE("Max-Forwards"), HTTP_NAME_MAX_FORWARDS},
    {SLICE("Origin"), HTTP_NAME_ORIGIN},
    {SLICE("Private-Token"), HTTP_NAME_PRIVATE_TOKEN},
    {SLICE("Proxy-Authorization"), HTTP_NAME_PROXY_AUTHORIZATION},
    {SLICE("Proxy-Connection"), HTTP_NAME_PROXY_CONNECTION},
    {SLICE("Purpose"), HTTP_NAME_PURPOSE},
    {SLICE("Range"), HTTP_NAME_RANGE},
    {SLICE("Request-Range"), HTTP_NAME_REQUEST_RANGE},
    {SLICE("Sec-Fetch-Dest"), HTTP_NAME_SEC_FETCH_DEST},
    {SLICE("Sec-Fetch-Mode"), HTTP_NAME_SEC_FETCH_MODE},
    {SLICE("Sec-Fetch-Site"), HTTP_NAME_SEC_FETCH_SITE},
    {SLICE("Sec-Purpose"), HTTP_NAME_SEC_PURPOSE},
    {SLICE("Sec-Websocket-Accept"), HTTP_NAME_SEC_WEBSOCKET_ACCEPT},
    {SLICE("Sec-Websocket-Extensions"), HTTP_NAME_SEC_WEBSOCKET_EXTENSIONS},
    {SLICE("Sec-Websocket-Key"), HTTP_NAME_SEC_WEBSOCKET_KEY},
    {SLICE("Sec-Websocket-Version"), HTTP_NAME_SEC_WEBSOCKET_VERSION},
    {SLICE("Set-Cookie"), HTTP_NAME_SET_COOKIE},
    {SLICE("Set-Cookie2"), HTTP_NAME_SET_COOKIE2},
    {SLICE("TE"), HTTP_NAME_TE},
    {SLICE("Trailer"), HTTP_NAME_TRAILER},
    {SLICE("Transfer-Encoding"), HTTP_NAME_TRANSFER_ENCODING},
    {SLICE("Upgrade"), HTTP_NAME_UPGRADE},
    {SLICE("User-Agent"), HTTP_NAME_USER_AGENT},
    {SLICE("X-Access-Token"), HTTP_NAME_X_ACCESS_TOKEN},
    {SLICE("X-Amz-Security-Token"), HTTP_NAME_X_AMZ_SECURITY_TOKEN},
    {SLICE("X-Api-Key"), HTTP_NAME_X_API_KEY},
    {SLICE("X-Auth-Token"), HTTP_NAME_X_AUTH_TOKEN},
    {SLICE("X-Forwarded-For"), HTTP_NAME_X_FORWARDED_FOR},
    {SLICE("X-Forwarded-Host"), HTTP_NAME_X_FORWARDED_HOST},
    {SLICE("X-Forwarded-Proto"), HTTP_NAME_X_FORWARDED_PROTO},
    {SLICE("X-Goog-Api-Key"), HTTP_NAME_X_GOOG_API_KEY},
    {SLICE("X-Http-Method"), HTTP_NAME_X_HTTP_METHOD},
    {SLICE("X-Http-Method-Override"), HTTP_NAME_X_HTTP_METHOD_OVERRIDE},
    {SLICE("X-Method-Override"), HTTP_NAME_X_METHOD_OVERRIDE},
    {SLICE("X-Moz"), HTTP_NAME_X_MOZ},
    {SLICE("X-Original-Url"), HTTP_NAME_X_ORIGINAL_URL},
    {SLICE("X-Purpose"), HTTP_NAME_X_PURPOSE},
    {SLICE("X-Rewrite-Url"), HTTP_NAME_X_REWRITE_URL},
    {SLICE("X-Token"), HTTP_NAME_X_TOKEN},
    {SLICE("X-Vault-Token"), HTTP_NAME_X_VAULT_TOKEN},
};

/* The plain twin: one comparison after another. */
static enum http_name plain_name_of(struct slice name) {
    bool is_plain = name.n > 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (slice_equals_nocase(name, rows[i].text))
            return rows[i].name;
    for (size_t i = 0; i < name.n; i++) {
        char c = ascii_lower(name.p[i]);

        is_plain = is_plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
    }
    return is_plain ? HTTP_NAME_PLAIN : HTTP_NAME_ODD;
}

static void knows_each_in_any_case(void **state) {
    (void)state;
    assert_int_equal(ARRAY_LEN(rows), HTTP_NAMES - HTTP_NAME_PLAIN - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[32];
        size_t n = rows[i].text.n;

        assert_row(rows[i].text, http_name_of(rows[i].text) == rows[i].name);
        for (size_t k = 0; k < n; k++)
            text[k] = ascii_lower(rows[i].text.p[k]);
        assert_row(rows[i].text, http_name_of(slice_of(text, n)) == rows[i].name);
        for (size_t k = 0; k < n; k++)
            if (text[k] >= 'a' && text[k] <= 'z')
                text[k] = (char)(text[k] - 'a' + 'A');
        assert_row(rows[i].text, http_name_of(slice_of(text, n)) == rows[i].name);
    }
}

/* Any other byte at any place, in memory of exactly that length; and one more or less at either end. */
static void knows_nothing_that_is_near(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[32];
        size_t n = rows[i].text.n;

        memcpy(text, rows[i].text.p, n);
        text[n] = 'x';
        assert_row(rows[i].text, http_name_of(slice_of(text, n + 1)) == plain_name_of(slice_of(text, n + 1)));
        assert_row(rows[i].text, http_name_of(slice_of(text + 1, n - 1)) == plain_name_of(slice_of(text + 1, n - 1)));
        for (size_t at = 0; at < n; at++) {
            for (int c = 0; c < 256; c++) {
                _cleanup_slice_ struct slice copy = {0};

                text[at] = (char)c;
                copy = exact_copy(slice_of(text, n));
                assert_row(rows[i].text, http_name_of(copy) == plain_name_of(copy));
            }
            text[at] = rows[i].text.p[at];
        }
    }
}

static void tells_odd_from_plain(void **state) {
    (void)state;
    assert_int_equal(http_name_of(SLICE("")), HTTP_NAME_ODD);
    assert_int_equal(http_name_of(SLICE("x")), HTTP_NAME_PLAIN);
    assert_int_equal(http_name_of(SLICE("_")), HTTP_NAME_ODD);
    assert_int_equal(http_name_of(SLICE("X-Something-That-Nobody-Has-Ever-Asked-For")), HTTP_NAME_PLAIN);
    assert_int_equal(http_name_of(SLICE("X-Something-That-Nobody.Has-Ever-Asked-For")), HTTP_NAME_ODD);
    assert_int_equal(http_name_of(SLICE("X_Forwarded_For")), HTTP_NAME_ODD);
    assert_int_equal(http_name_of(SLICE("Content\rLength")), HTTP_NAME_ODD);
    assert_int_equal(http_name_of(SLICE("Content Length")), HTTP_NAME_ODD);
}

/* Each name, its hyphens under every byte that is neither letter nor digit. */
static void sees_through_aliases(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int c = 0; c < 256; c++) {
            char text[32];
            for (size_t at = 0; at < rows[i].text.n; at++)
                text[at] = rows[i].text.p[at] == '-' ? (char)c : (char)toupper(rows[i].text.p[at]);
            if (!isalnum(c) || !slice_has(rows[i].text, '-'))
                assert_row(rows[i].text, http_name_of_alias(slice_of(text, rows[i].text.n)) == rows[i].name);
        }
    }
    assert_int_equal(http_name_of_alias(SLICE("X_Something")), HTTP_NAME_PLAIN);
    assert_int_equal(http_name_of_alias(SLICE("Authorization_")), HTTP_NAME_PLAIN);
    assert_int_equal(http_name_of_alias(SLICE("x_something_that_nobody_has_ever_asked_for")), HTTP_NAME_ODD);
}

static void sets_hold_what_they_name(void **state) {
    const uint64_t set = HTTP_NAME_SET(HOST) | HTTP_NAME_SET(X_VAULT_TOKEN);

    (void)state;
    assert_true(http_name_is_in(HTTP_NAME_HOST, set));
    assert_true(http_name_is_in(HTTP_NAME_X_VAULT_TOKEN, set));
    assert_false(http_name_is_in(HTTP_NAME_COOKIE, set));
    assert_false(http_name_is_in(HTTP_NAME_UNREAD, set));
    assert_true(http_name_is_known(HTTP_NAME_A_IM));
    assert_false(http_name_is_known(HTTP_NAME_PLAIN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_each_in_any_case),   cmocka_unit_test(knows_nothing_that_is_near),
        cmocka_unit_test(tells_odd_from_plain),     cmocka_unit_test(sees_through_aliases),
        cmocka_unit_test(sets_hold_what_they_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
