#include "egress/settings/settings.h"

#include "base/limits.h"
#include "unit_settings.h"

#define INJECT_AT "f.yaml:5: credentials.api.inject"
#define ONE_WAY                                                                                                        \
    ": must say one way; write { query: NAME }, { header: NAME, format: \"Bearer {}\" }, { basic: { user: NAME } }, "  \
    "{ cookie: NAME } or { path: \"/bot{}\" }"
#define OURS                                                                                                           \
    INJECT_AT ".header: credfd writes this field itself; name the one that the API reads its key from, as "            \
              "Authorization"
#define ONCE INJECT_AT ".format: must hold {} exactly once, where the key goes; write \"Bearer {}\", or \"{}\" alone"

static void refuses_a_wrong_injection(void **state) {
    static const struct row rows[] = {
        {{.inject = "bearer"},
         INJECT_AT ": must hold keys and their values; write it as { key: value }, or a line for each key"},
        {{.inject = "{}"}, INJECT_AT ONE_WAY},
        {{.inject = "{ format: \"{}\" }"}, INJECT_AT ONE_WAY},
        {{.inject = "{ query: a, header: b }"}, INJECT_AT ONE_WAY "; for several ways, a list of them"},
        {{.inject = "[ { path: \"/{}\", cookie: b } ]"}, INJECT_AT "[0]" ONE_WAY "; for several ways, a list of them"},
        {{.inject = "{ body: a }"}, INJECT_AT ".body: unknown key; use query, header, basic, cookie, path and format"},
        {{.inject = "{ qurey: a }"}, INJECT_AT ".qurey: unknown key; did you mean `query`?"},
        {{.inject = "{ query: a, format: \"{}\" }"}, INJECT_AT ".format: goes with `header` only; remove it"},
        {{.inject = "{ query: \"app key\" }"},
         INJECT_AT ".query: has a character that can be read in two ways; use "
                   "letters, digits and any of - . _ ~"},
        {{.inject = "{ query: \"app%6bey\" }"},
         INJECT_AT ".query: has a character that can be read in two ways; use "
                   "letters, digits and any of - . _ ~"},
        {{.inject = "{ header: \"X Key\" }"},
         INJECT_AT ".header: not a header field's name; write it without colon and "
                   "blanks, as Authorization"},
        {{.inject = "{ header: \"X-Key:\" }"},
         INJECT_AT ".header: not a header field's name; write it without colon and "
                   "blanks, as Authorization"},
        {{.inject = "{ header: host }"}, OURS},
        {{.inject = "{ header: Content-Length }"}, OURS},
        {{.inject = "{ header: TRANSFER-ENCODING }"}, OURS},
        {{.inject = "{ header: Connection }"}, OURS},
        {{.inject = "{ header: Upgrade }"}, OURS},
        {{.inject = "{ header: Content_Length }"}, OURS},
        {{.inject = "{ header: A, format: Bearer }"}, ONCE},
        {{.inject = "{ header: A, format: \"{} {}\" }"}, ONCE},
        {{.inject = "{ header: A, format: {} }"},
         INJECT_AT ".format: must be text, not keys and values; put text that "
                   "starts with { in quotes"},
        {{.inject = "{ header: A, format: \"Bearer {} \" }"},
         INJECT_AT ".format: must not start or end with a blank; remove it"},
        {{.inject = "{ header: A, format: \"{}\\r\\nX: y\" }"},
         INJECT_AT ".format: must not hold a line break or another control character; remove it"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

#define HALF                                                                                                           \
    INJECT_AT ".basic: must name the half that is no secret; write { user: NAME } when the key is the password, "      \
              "{ password: TEXT } when it is the user"
#define NO_PATH                                                                                                        \
    INJECT_AT ".path: must be how a path begins, without an escape, ?, #, ;, an empty segment, . or .. in it and "     \
              "without a slash at its end; write \"/bot{}\""
#define PATH_ONCE INJECT_AT ".path: must hold {} exactly once, where the key goes; write \"/bot{}\""

static void refuses_a_wrong_place(void **state) {
    static const struct row rows[] = {
        {{.inject = "{ basic: me }"}, HALF},
        {{.inject = "{ basic: {} }"}, HALF},
        {{.inject = "{ basic: { user: a, password: b } }"}, HALF},
        {{.inject = "{ basic: { name: a } }"}, INJECT_AT ".basic.name: unknown key; use user and password"},
        {{.inject = "{ basic: { user: \"a:b\" } }"},
         INJECT_AT ".basic.user: a user's name holds no colon, behind which the password starts; remove it"},
        {{.inject = "{ basic: { user: } }"}, INJECT_AT ".basic.user: has no value; write one, or remove the key"},
        {{.inject = "{ basic: { password: \"a\\nb\" } }"},
         INJECT_AT ".basic.password: must not hold a line break or another control character; remove it"},
        {{.inject = "{ basic: { user: a }, format: \"{}\" }"}, INJECT_AT ".format: goes with `header` only; remove it"},
        {{.inject = "{ cookie: \"a b\" }"}, INJECT_AT ".cookie: not a cookie's name; write it without blanks, = and ;"},
        {{.inject = "{ cookie: a=b }"}, INJECT_AT ".cookie: not a cookie's name; write it without blanks, = and ;"},
        {{.inject = "{ path: /bot }"}, PATH_ONCE},
        {{.inject = "{ path: \"/{}/{}\" }"}, PATH_ONCE},
        {{.inject = "{ path: \"bot{}\" }"}, NO_PATH},
        {{.inject = "{ path: \"{}\" }"}, NO_PATH},
        {{.inject = "{ path: \"/bot{}/\" }"}, NO_PATH},
        {{.inject = "{ path: \"/a//bot{}\" }"}, NO_PATH},
        {{.inject = "{ path: \"/./bot{}\" }"}, NO_PATH},
        {{.inject = "{ path: \"/../bot{}\" }"}, NO_PATH},
        {{.inject = "{ path: \"/bot{}/..\" }"}, NO_PATH},
        {{.inject = "{ path: \"/bot{}?a\" }"}, NO_PATH},
        {{.inject = "{ path: \"/bot{}#a\" }"}, NO_PATH},
        {{.inject = "{ path: \"/bot{};a\" }"}, NO_PATH},
        {{.inject = "{ path: \"/%62ot{}\" }"}, NO_PATH},
        {{.inject = "{ path: \"/b ot{}\" }"}, NO_PATH},
        {{.inject = "{ path: '/b\\ot{}' }"}, NO_PATH},
        {{.inject = "{ path: \"/\xC3\xB6{}\" }"}, NO_PATH},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

#define SAME INJECT_AT "[1]: goes to the same place of a request as item 0 of this list; keep one of them"

static void refuses_one_place_twice(void **state) {
    static const struct row rows[] = {
        {{.inject = "[ { query: a }, { query: a } ]"}, SAME},
        {{.inject = "[ { query: a }, { query: A } ]"}, SAME},
        {{.inject = "[ { header: X-Key }, { header: x_KEY } ]"}, SAME},
        {{.inject = "[ { path: \"/a{}\" }, { path: \"/b{}\" } ]"}, SAME},
        {{.inject = "[ { cookie: a }, { cookie: a } ]"}, SAME},
        {{.inject = "[ { cookie: a }, { header: Cookie } ]"}, SAME},
        {{.inject = "[ { header: cookie }, { cookie: a } ]"}, SAME},
        {{.inject = "[ { basic: { user: a } }, { header: authorization } ]"}, SAME},
        {{.inject = "[ { header: Authorization }, { basic: { password: a } } ]"}, SAME},
        {{.inject = "[ { basic: { user: a } }, { basic: { password: a } } ]"}, SAME},
        {{.inject = "[]"}, INJECT_AT ": the list is too short; write at least 1"},
        {{.inject = "[ query ]"},
         INJECT_AT "[0]: must hold keys and their values; write it as { key: value }, or a line for each key"},
    };
    _cleanup_free_ char *nine = write_list("{ query: a }", LIMIT_INJECTIONS + 1);

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
    check_rows(&(struct row){{.inject = nine}, INJECT_AT ": the list is too long; write at most 8"}, 1);
}

static void refuses_what_is_too_long(void **state) {
    static const struct {
        const char *inject, *place;
        int limit;
    } rows[] = {
        {"{ query: a%0*d }", ".query", LIMIT_NAME},
        {"{ header: a%0*d }", ".header", LIMIT_NAME},
        {"{ cookie: a%0*d }", ".cookie", LIMIT_NAME},
        {"{ header: A, format: \"{}%0*d\" }", ".format", LIMIT_FORMAT},
        {"{ path: \"/{}%0*d\" }", ".path", LIMIT_FORMAT},
        {"{ basic: { user: a%0*d } }", ".basic.user", LIMIT_FORMAT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *at = strstr(rows[i].inject, "%0*d");
        _cleanup_free_ char *inject = NULL, *error = NULL;

        assert_true(asprintf(&inject, "%.*s%0*d%s", (int)(at - rows[i].inject), rows[i].inject, rows[i].limit, 0,
                             at + strlen("%0*d")) > 0);
        assert_true(
            asprintf(&error, INJECT_AT "%s: too long; use at most %d characters", rows[i].place, rows[i].limit) > 0);
        check_rows(&(struct row){{.inject = inject}, error}, 1);
    }
}

static void takes_every_place(void **state) {
    static const struct {
        const char *inject;
        enum inject_kind kind;
        const char *name, *format; /* NULL for none */
    } rows[] = {
        {"{ query: app_key }", INJECT_QUERY, "app_key", NULL},
        {"{ header: X-Key }", INJECT_HEADER, "X-Key", "{}"},
        {"{ header: Authorization, format: \"Bearer {}\" }", INJECT_HEADER, "Authorization", "Bearer {}"},
        {"{ format: \"{}\", header: Cookie }", INJECT_HEADER, "Cookie", "{}"},
        {"{ basic: { user: x-access-token } }", INJECT_BASIC_USER, "x-access-token", NULL},
        {"{ basic: { user: \"\" } }", INJECT_BASIC_USER, "", NULL},
        {"{ basic: { password: \"a:b c\" } }", INJECT_BASIC_PASSWORD, "a:b c", NULL},
        {"{ basic: { password: '' } }", INJECT_BASIC_PASSWORD, "", NULL},
        {"{ cookie: session_id }", INJECT_COOKIE, "session_id", NULL},
        {"{ path: \"/bot{}\" }", INJECT_PATH, NULL, "/bot{}"},
        {"{ path: \"/a/.{}/b@c:d\" }", INJECT_PATH, NULL, "/a/.{}/b@c:d"},
        {"[ { query: only } ]", INJECT_QUERY, "only", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_settings_ struct settings *settings = take_text((struct text){.inject = rows[i].inject});
        const struct inject *inject = settings->credentials[0].inject;

        assert_int_equal(settings->credentials[0].n_inject, 1);
        assert_int_equal(inject->kind, rows[i].kind);
        assert_string_equal(inject->name ? inject->name : "none", rows[i].name ? rows[i].name : "none");
        assert_string_equal(inject->format ? inject->format : "none", rows[i].format ? rows[i].format : "none");
    }
}

static void takes_several_places(void **state) {
    _cleanup_settings_ struct settings *settings =
        take_text((struct text){.inject = "[ { query: a }, { query: b }, { header: Authorization }, { cookie: a }, "
                                          "{ cookie: A }, { path: \"/{}\" }, { header: X-Key } ]"});

    (void)state;
    assert_int_equal(settings->credentials[0].n_inject, 7);
    assert_string_equal(settings->credentials[0].inject[6].name, "X-Key");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_wrong_injection), cmocka_unit_test(refuses_a_wrong_place),
        cmocka_unit_test(refuses_one_place_twice),   cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(takes_every_place),         cmocka_unit_test(takes_several_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
