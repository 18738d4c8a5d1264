#include "egress/credential.h"

#include "base/limits.h"
#include "unit.h"

static char upstream[] = "https://api.example.org:8443/base", key[] = "key", header[] = "X-Key", any[] = "*",
            all[] = "/**", bearer[] = "Bearer {}", bot[] = "/bot{}";
static struct rule rules[] = {{any, all, 1}};

static struct inject inject_of(enum inject_kind kind, char *name, char *format) {
    return (struct inject){kind, name, format};
}

static bool is_sound(const struct inject *inject, size_t n) {
    struct inject copies[LIMIT_INJECTIONS + 1];
    struct credential credential = {.upstream = upstream, .inject = copies, .n_inject = n};

    memcpy(copies, inject, n * sizeof(*copies));
    return credential_is_sound(&credential);
}

static void each_kind_alone(void **state) {
    static char empty[] = "", blank[] = "X Y", line[] = "X\r\nHost", colon[] = "a:b", control[] = "a\tb",
                no_place[] = "Bearer", two_places[] = "{} {}", open[] = "{", trailing[] = "Bearer {} ",
                split[] = "{}\r\nHost: evil", relative[] = "bot{}", slash[] = "/bot{}/", twice[] = "//bot{}",
                dots[] = "/../{}", escape[] = "/%41{}", query[] = "/{}?a", fragment[] = "/{}#a",
                parameter[] = "/a;b/{}", space[] = "/a {}", high[] = "/\xc3\xa9{}", backslash[] = "/a\\{}",
                deep[] = "/a.b/bot{}-x/c";
    static char longest[LIMIT_NAME + 1], too_long[LIMIT_NAME + 2], long_half[LIMIT_FORMAT + 1],
        longer_half[LIMIT_FORMAT + 2];
    const struct {
        struct inject inject;
        bool is_sound;
    } rows[] = {
        {inject_of(INJECT_QUERY, key, NULL), true},
        {inject_of(INJECT_QUERY, longest, NULL), true},
        {inject_of(INJECT_QUERY, too_long, NULL), false},
        {inject_of(INJECT_QUERY, empty, NULL), false},
        {inject_of(INJECT_HEADER, header, bearer), true},
        {inject_of(INJECT_HEADER, longest, bearer), true},
        {inject_of(INJECT_HEADER, too_long, bearer), false},
        {inject_of(INJECT_HEADER, empty, bearer), false},
        {inject_of(INJECT_HEADER, blank, bearer), false},
        {inject_of(INJECT_HEADER, line, bearer), false},
        {inject_of(INJECT_HEADER, header, no_place), false},
        {inject_of(INJECT_HEADER, header, two_places), false},
        {inject_of(INJECT_HEADER, header, open), false},
        {inject_of(INJECT_HEADER, header, trailing), false},
        {inject_of(INJECT_HEADER, header, split), false},
        {inject_of(INJECT_BASIC_USER, key, NULL), true},
        {inject_of(INJECT_BASIC_USER, empty, NULL), true},
        {inject_of(INJECT_BASIC_USER, long_half, NULL), true},
        {inject_of(INJECT_BASIC_USER, longer_half, NULL), false},
        {inject_of(INJECT_BASIC_USER, colon, NULL), false},
        {inject_of(INJECT_BASIC_USER, control, NULL), false},
        {inject_of(INJECT_BASIC_PASSWORD, empty, NULL), true},
        {inject_of(INJECT_BASIC_PASSWORD, colon, NULL), true},
        {inject_of(INJECT_BASIC_PASSWORD, control, NULL), false},
        {inject_of(INJECT_COOKIE, key, NULL), true},
        {inject_of(INJECT_COOKIE, too_long, NULL), false},
        {inject_of(INJECT_COOKIE, empty, NULL), false},
        {inject_of(INJECT_COOKIE, line, NULL), false},
        {inject_of(INJECT_PATH, NULL, bot), true},
        {inject_of(INJECT_PATH, NULL, deep), true},
        {inject_of(INJECT_PATH, NULL, bearer), false},
        {inject_of(INJECT_PATH, NULL, relative), false},
        {inject_of(INJECT_PATH, NULL, slash), false},
        {inject_of(INJECT_PATH, NULL, twice), false},
        {inject_of(INJECT_PATH, NULL, dots), false},
        {inject_of(INJECT_PATH, NULL, escape), false},
        {inject_of(INJECT_PATH, NULL, query), false},
        {inject_of(INJECT_PATH, NULL, fragment), false},
        {inject_of(INJECT_PATH, NULL, parameter), false},
        {inject_of(INJECT_PATH, NULL, space), false},
        {inject_of(INJECT_PATH, NULL, high), false},
        {inject_of(INJECT_PATH, NULL, backslash), false},
        {inject_of((enum inject_kind)(INJECT_PATH + 1), key, bearer), false},
    };

    (void)state;
    memset(longest, 'n', LIMIT_NAME);
    memset(too_long, 'n', LIMIT_NAME + 1);
    memset(long_half, 'n', LIMIT_FORMAT);
    memset(longer_half, 'n', LIMIT_FORMAT + 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (is_sound(&rows[i].inject, 1) != rows[i].is_sound)
            fail_msg("row %zu", i);
}

static void places_that_compete(void **state) {
    static char other[] = "other", shouted[] = "KEY", folded[] = "a.b", under[] = "a_b", lower[] = "x-key",
                cgi[] = "X_Key", cookie[] = "Cookie", authorization[] = "authorization";
    const struct {
        struct inject a, b;
        bool competes;
    } rows[] = {
        {inject_of(INJECT_QUERY, key, NULL), inject_of(INJECT_QUERY, key, NULL), true},
        {inject_of(INJECT_QUERY, key, NULL), inject_of(INJECT_QUERY, shouted, NULL), true},
        {inject_of(INJECT_QUERY, folded, NULL), inject_of(INJECT_QUERY, under, NULL), true},
        {inject_of(INJECT_QUERY, key, NULL), inject_of(INJECT_QUERY, other, NULL), false},
        {inject_of(INJECT_HEADER, header, bearer), inject_of(INJECT_HEADER, lower, bearer), true},
        {inject_of(INJECT_HEADER, header, bearer), inject_of(INJECT_HEADER, cgi, bearer), true}, /* RFC 3875 §4.1.18 */
        {inject_of(INJECT_HEADER, header, bearer), inject_of(INJECT_HEADER, other, bearer), false},
        {inject_of(INJECT_HEADER, key, bearer), inject_of(INJECT_QUERY, key, NULL), false},
        {inject_of(INJECT_HEADER, authorization, bearer), inject_of(INJECT_BASIC_USER, key, NULL), true},
        {inject_of(INJECT_BASIC_PASSWORD, key, NULL), inject_of(INJECT_BASIC_USER, other, NULL), true},
        {inject_of(INJECT_HEADER, cookie, bearer), inject_of(INJECT_COOKIE, key, NULL), true},
        {inject_of(INJECT_COOKIE, key, NULL), inject_of(INJECT_COOKIE, key, NULL), true},
        {inject_of(INJECT_COOKIE, key, NULL), inject_of(INJECT_COOKIE, shouted, NULL), false}, /* RFC 6265 §5.3 */
        {inject_of(INJECT_PATH, NULL, bot), inject_of(INJECT_PATH, NULL, bot), true},
        {inject_of(INJECT_PATH, NULL, bot), inject_of(INJECT_QUERY, key, NULL), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct inject both[] = {rows[i].a, rows[i].b}, turned[] = {rows[i].b, rows[i].a};

        if (inject_competes(&rows[i].a, &rows[i].b) != rows[i].competes ||
            inject_competes(&rows[i].b, &rows[i].a) != rows[i].competes || is_sound(both, 2) == rows[i].competes ||
            is_sound(turned, 2) == rows[i].competes)
            fail_msg("row %zu", i);
    }
}

static void how_many(void **state) {
    static char names[LIMIT_INJECTIONS + 1][2];
    struct inject many[LIMIT_INJECTIONS + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        names[i][0] = (char)('a' + i);
        many[i] = inject_of(INJECT_QUERY, names[i], NULL);
    }
    assert_false(is_sound(many, 0));
    assert_true(is_sound(many, LIMIT_INJECTIONS));
    assert_false(is_sound(many, LIMIT_INJECTIONS + 1));
}

static void rules_and_upstream(void **state) {
    static char blank[] = "GET ", relative[] = "a", user[] = "https://a@b";
    struct rule bad_method = {blank, all, 1}, bad_path = {any, relative, 1};
    struct inject inject = inject_of(INJECT_QUERY, key, NULL);
    struct credential credential = {
        .upstream = upstream, .inject = &inject, .n_inject = 1, .allow = rules, .n_allow = 1};

    (void)state;
    assert_true(credential_is_sound(&credential));
    assert_slice(credential.authority.base_path, "/base");
    credential.deny = &bad_path;
    credential.n_deny = 1;
    assert_false(credential_is_sound(&credential));
    credential.deny = rules;
    assert_true(credential_is_sound(&credential));
    credential.allow = &bad_method;
    assert_false(credential_is_sound(&credential));
    credential.allow = rules;
    credential.upstream = user;
    assert_false(credential_is_sound(&credential));
}

static void fields(void **state) {
    struct inject inject = inject_of(INJECT_QUERY, key, NULL);

    (void)state;
    assert_slice(inject_field(&inject), "");
    inject = inject_of(INJECT_PATH, NULL, bot);
    assert_slice(inject_field(&inject), "");
    inject = inject_of(INJECT_HEADER, header, bearer);
    assert_slice(inject_field(&inject), "X-Key");
    inject = inject_of(INJECT_BASIC_USER, key, NULL);
    assert_slice(inject_field(&inject), "Authorization");
    inject = inject_of(INJECT_BASIC_PASSWORD, key, NULL);
    assert_slice(inject_field(&inject), "Authorization");
    inject = inject_of(INJECT_COOKIE, key, NULL);
    assert_slice(inject_field(&inject), "Cookie");
}

/* The one that the table below changes a thing in at a time. */
static char other[] = "other", file[] = "/etc/key";
static char *command[] = {key, other, NULL};
static struct inject one[] = {{INJECT_HEADER, header, bearer}}, another_kind[] = {{INJECT_COOKIE, header, bearer}},
                     another_name[] = {{INJECT_HEADER, other, bearer}},
                     another_format[] = {{INJECT_HEADER, header, bot}}, no_format[] = {{INJECT_HEADER, header, NULL}},
                     two[] = {{INJECT_HEADER, header, bearer}, {INJECT_QUERY, key, NULL}};

static struct credential whole(void) {
    return (struct credential){
        .name = key,
        .secret = {.kind = SECRET_COMMAND, .argv = command, .fd = -1, .timeout_ms = 1, .refresh_ms = 2, .where = other},
        .upstream = upstream,
        .inject = one,
        .n_inject = 1,
        .ca_file = file,
    };
}

static void the_same_place(void **state) {
    struct credential a = whole(), b = whole();

    (void)state;
    assert_true(credential_is_same_place(&a, &b));
    b.name = other;
    b.secret = (struct secret_source){.kind = SECRET_FILE, .path = file, .fd = -1};
    b.allow = b.deny = rules;
    b.n_allow = b.n_deny = 1;
    b.allows_all = true;
    b.limits.requests = 1;
    b.response_timeout_ms = 1;
    b.allows_websocket = true;
    b.placeholder = other;
    assert_true(credential_is_same_place(&a, &b));
    a = b = (struct credential){.upstream = upstream, .inject = one, .n_inject = 1}; /* as the keeper has them */
    assert_true(credential_is_same_place(&a, &b));
}

#define assert_another(change)                                                                                         \
    do {                                                                                                               \
        struct credential a = whole(), b = whole();                                                                    \
        b.change;                                                                                                      \
        if (credential_is_same_place(&a, &b) || credential_is_same_place(&b, &a))                                      \
            fail_msg("%s", #change);                                                                                   \
    } while (0)

static void another_place(void **state) {
    (void)state;
    assert_another(upstream = other);
    assert_another(inject = another_kind);
    assert_another(inject = another_name);
    assert_another(inject = another_format);
    assert_another(inject = no_format);
    assert_another(inject = two; b.n_inject = 2);
    assert_another(ca_file = other);
    assert_another(ca_file = NULL);
    assert_another(allows_private = true);
    assert_another(is_mask_off = true);
    assert_another(passes_cookies = true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_alone), cmocka_unit_test(places_that_compete),
        cmocka_unit_test(how_many),        cmocka_unit_test(rules_and_upstream),
        cmocka_unit_test(fields),          cmocka_unit_test(the_same_place),
        cmocka_unit_test(another_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
