#include "egress/settings/settings.h"

#include "base/limits.h"
#include "unit_settings.h"

#define METHOD_AND_PATH "a method and a path; write \"GET /path/**\", with * for every method"

static void refuses_a_wrong_rule(void **state) {
    static const struct row rows[] = {
        {{.rest = "    allow: GET /x\n"},
         "f.yaml:6: credentials.api.allow: must be `all` or a list of rules; write "
         "[ \"GET /path/**\", \"POST /path\" ]"},
        {{.rest = "    allow:\n"},
         "f.yaml:6: credentials.api.allow: must be `all` or a list of rules; write "
         "[ \"GET /path/**\", \"POST /path\" ]"},
        {{.rest = "    allow:\n      - GET /x\n      - /y\n"},
         "f.yaml:8: credentials.api.allow[1]: must be " METHOD_AND_PATH},
        {{.rest = "    allow: [ all ]\n"}, "f.yaml:6: credentials.api.allow[0]: must be " METHOD_AND_PATH},
        {{.rest = "    allow: [ get /x ]\n"},
         "f.yaml:6: credentials.api.allow[0]: a method is written in capitals; write \"GET /path/**\""},
        {{.rest = "    allow: [ \"G:T /x\" ]\n"},
         "f.yaml:6: credentials.api.allow[0]: does not start with a method; write "
         "\"GET /path/**\", with * for every method"},
        {{.rest = "    allow: [ GET x ]\n"},
         "f.yaml:6: credentials.api.allow[0]: the rule's path is wrong: it must start "
         "with \"/\"; write \"GET /path/*\", or /path/** for all below"},
        {{.rest = "    allow: [ GET /x /y ]\n"},
         "f.yaml:6: credentials.api.allow[0]: the rule's path is wrong: it holds a blank or another byte that no path "
         "has; "
         "write \"GET /path/*\", or /path/** for all below"},
        {{.rest = "    allow: [ { GET: /x } ]\n"},
         "f.yaml:6: credentials.api.allow[0]: must be text, not keys and values; "
         "put text that starts with { in quotes"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_a_wrong_denial(void **state) {
    static const struct row rows[] = {
        {{.rest = "    deny: all\n"},
         "f.yaml:6: credentials.api.deny: must be a list of rules; write [ \"* /path/**\", \"DELETE /path/*\" ]"},
        {{.rest = "    deny: { GET: /x }\n"},
         "f.yaml:6: credentials.api.deny: must be a list of rules; write [ \"* /path/**\", \"DELETE /path/*\" ]"},
        {{.rest = "    deny: [ /x ]\n"}, "f.yaml:6: credentials.api.deny[0]: must be " METHOD_AND_PATH},
        {{.rest = "    deny: [ delete /x ]\n"},
         "f.yaml:6: credentials.api.deny[0]: a method is written in capitals; write \"GET /path/**\""},
        {{.rest = "    deny: [ GET /*** ]\n"},
         "f.yaml:6: credentials.api.deny[0]: the rule's path is wrong: it may hold \"*\" and \"**\" but no \"***\"; "
         "write \"GET /path/*\", or /path/** for all below"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

#define NO_PROGRAM                                                                                                     \
    "must be a program's path from / on, with * and ** as in rules, and no blank, \\, ? or #; write /usr/bin/curl, "   \
    "or /opt/tool/** for all below"

static void refuses_wrong_executables(void **state) {
    static const struct row rows[] = {
        {{.rest = "    executables: /usr/bin/curl\n"},
         "f.yaml:6: credentials.api.executables: must be a list; write it as [ a, b ], or a line for each item that "
         "starts with -"},
        {{.rest = "    executables: []\n"},
         "f.yaml:6: credentials.api.executables: the list is too short; write at least 1"},
        {{.rest = "    executables:\n      - /usr/bin/curl\n      - curl\n"},
         "f.yaml:8: credentials.api.executables[1]: " NO_PROGRAM},
        {{.rest = "    executables: [ /a b ]\n"}, "f.yaml:6: credentials.api.executables[0]: " NO_PROGRAM},
        {{.rest = "    executables: [ /a?b ]\n"}, "f.yaml:6: credentials.api.executables[0]: " NO_PROGRAM},
        {{.rest = "    executables: [ /*** ]\n"}, "f.yaml:6: credentials.api.executables[0]: " NO_PROGRAM},
        {{.rest = "    executables: [ [ /a ] ]\n"},
         "f.yaml:6: credentials.api.executables[0]: must be text, not a list; put text that starts with [ in quotes"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

#define LIMITS_AT "f.yaml:6: credentials.api.limits"

static void refuses_wrong_limits(void **state) {
    static const struct row rows[] = {
        {{.rest = "    limits: 10\n"},
         LIMITS_AT ": must hold keys and their values; write it as { key: value }, or a line for each key"},
        {{.rest = "    limits: { request: 1 }\n"}, LIMITS_AT ".request: unknown key; did you mean `requests`?"},
        {{.rest = "    limits: { age: 1 }\n"},
         LIMITS_AT ".age: unknown key; use requests, rate, bytes, concurrent, ttl and max_body"},
        {{.rest = "    limits: { requests: 0 }\n"},
         LIMITS_AT ".requests: must be more than nothing; write 1 to 1000000000, or remove the key"},
        {{.rest = "    limits: { requests: many }\n"},
         LIMITS_AT ".requests: must be a whole number; write it in decimal digits"},
        {{.rest = "    limits: { rate: 10 }\n"},
         LIMITS_AT ".rate: must be a rate; write digits and one of /s, /min and /h, as 10/s"},
        {{.rest = "    limits: { rate: 0/s }\n"},
         LIMITS_AT ".rate: must be more than nothing; write 1 or more in that time, or remove the key"},
        {{.rest = "    limits: { rate: 1000001/h }\n"},
         LIMITS_AT ".rate: is too large; write at most 1000000 in that time"},
        {{.rest = "    limits: { bytes: 100 }\n"},
         LIMITS_AT ".bytes: must be a size; write digits and one of B, KB, MB, GB, KiB, MiB and GiB, as 100MiB"},
        {{.rest = "    limits: { bytes: 0B }\n"},
         LIMITS_AT ".bytes: is too small; write 1B to 1048576GiB, or remove the key"},
        {{.rest = "    limits: { bytes: 1048577GiB }\n"}, LIMITS_AT ".bytes: is too large; write at most 1048576GiB"},
        {{.rest = "    limits: { max_body: 0KiB }\n"},
         LIMITS_AT ".max_body: is too small; write 1B to 1048576GiB, or remove the key"},
        {{.rest = "    limits: { concurrent: 257 }\n"}, LIMITS_AT ".concurrent: is too large; write at most 256"},
        {{.rest = "    limits: { concurrent: 0 }\n"},
         LIMITS_AT ".concurrent: must be more than nothing; write 1 to 256, or remove the key"},
        {{.rest = "    limits: { ttl: 8d }\n"}, LIMITS_AT ".ttl: is too long; write at most 168h"},
        {{.rest = "    limits: { ttl: 1 }\n"},
         LIMITS_AT ".ttl: must be a time; write digits and a unit, as 500ms, 30s, 5m or 1h"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_wrong_switches(void **state) {
    static const struct row rows[] = {
        {{.rest = "    mask: false\n"}, "f.yaml:6: credentials.api.mask: must be on or off; write one of them"},
        {{.rest = "    mask: [ off ]\n"}, "f.yaml:6: credentials.api.mask: must be on or off; write one of them"},
        {{.rest = "    pass: set-cookie\n"},
         "f.yaml:6: credentials.api.pass: must be a list; write it as [ a, b ], or a line for each item that starts "
         "with -"},
        {{.rest = "    pass: [ cookie ]\n"},
         "f.yaml:6: credentials.api.pass: only set-cookie is kept back and can be passed; write [ set-cookie ]"},
        {{.rest = "    pass: [ set-cookie, set-cookie ]\n"},
         "f.yaml:6: credentials.api.pass: the list is too long; write at most 1"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

/* `count` of it, in `key`. */
static char *write_key(const char *key, const char *item, size_t count) {
    _cleanup_free_ char *list = write_list(item, count);
    char *line;

    assert_true(asprintf(&line, "    %s: %s\n", key, list) > 0);
    return line;
}

static void refuses_more_than_the_limits(void **state) {
    _cleanup_free_ char *allow = write_key("allow", "GET /", LIMIT_RULES + 1);
    _cleanup_free_ char *deny = write_key("deny", "GET /", LIMIT_RULES + 1);
    _cleanup_free_ char *programs = write_key("executables", "/a", LIMIT_EXECUTABLES + 1);
    _cleanup_free_ char *fit = write_key("allow", "GET /", LIMIT_RULES), *rule = NULL, *program = NULL;
    _cleanup_settings_ struct settings *settings = take_text((struct text){.rest = fit});

    (void)state;
    assert_int_equal(settings->credentials[0].n_allow, LIMIT_RULES);
    check_rows(
        &(struct row){{.rest = allow}, "f.yaml:6: credentials.api.allow: the list is too long; write at most 256"}, 1);
    check_rows(&(struct row){{.rest = deny}, "f.yaml:6: credentials.api.deny: the list is too long; write at most 256"},
               1);
    check_rows(&(struct row){{.rest = programs},
                             "f.yaml:6: credentials.api.executables: the list is too long; write at most 64"},
               1);
    assert_true(asprintf(&rule, "    allow: [ GET /%0*d ]\n", LIMIT_RULE, 0) > 0);
    check_rows(
        &(struct row){{.rest = rule}, "f.yaml:6: credentials.api.allow[0]: too long; use at most 2048 characters"}, 1);
    assert_true(asprintf(&program, "    executables: [ /%0*d ]\n", LIMIT_EXECUTABLE, 0) > 0);
    check_rows(&(struct row){{.rest = program},
                             "f.yaml:6: credentials.api.executables[0]: too long; use at most 512 characters"},
               1);
}

/* Neither list is too long by itself. */
static void refuses_two_lists_that_are_too_long_together(void **state) {
    _cleanup_free_ char *rule = NULL, *allow = NULL, *deny = NULL, *fit = NULL, *both = NULL;
    _cleanup_settings_ struct settings *settings = NULL;

    (void)state;
    assert_true(asprintf(&rule, "GET /%0*d", LIMIT_RULE - 5, 0) == LIMIT_RULE);
    allow = write_key("allow", rule, 16);
    deny = write_key("deny", rule, 17);
    fit = write_key("deny", rule, 16);
    assert_true(asprintf(&both, "%s%s", fit, allow) > 0);
    settings = take_text((struct text){.rest = both});
    assert_int_equal(settings->credentials[0].n_deny, 16);
    free(steal_pointer(&both));
    assert_true(asprintf(&both, "%s%s", deny, allow) > 0);
    check_rows(&(struct row){{.rest = both},
                             "f.yaml:7: credentials.api.allow: the rules of `allow` and `deny` together are too long; "
                             "use at most 65536 characters"},
               1);
}

static void keeps_what_is_written(void **state) {
    _cleanup_settings_ struct settings *settings =
        take_text((struct text){.rest = "    allow:\n"
                                        "      - GET /incident/**\n"
                                        "      - \"*   /x\"\n"
                                        "    deny: [ \"* /incident/secret\" ]\n"
                                        "    executables: [ /usr/bin/curl, /opt/** ]\n"
                                        "    limits: { requests: 1000, rate: 10/min, bytes: 100MiB, concurrent: 4,\n"
                                        "              ttl: 1h, max_body: 2KB }\n"
                                        "    mask: off\n"
                                        "    pass: [ Set-Cookie ]\n"});
    const struct credential *c = &settings->credentials[0];

    (void)state;
    assert_int_equal(c->n_allow, 2);
    assert_string_equal(c->allow[1].method, "*");
    assert_string_equal(c->allow[1].path, "/x");
    assert_int_equal(c->allow[0].line, 7);
    assert_int_equal(c->allow[1].line, 8);
    assert_int_equal(c->n_deny, 1);
    assert_string_equal(c->deny[0].path, "/incident/secret");
    assert_int_equal(c->deny[0].line, 9);
    assert_int_equal(c->n_executables, 2);
    assert_string_equal(c->executables[1], "/opt/**");
    assert_int_equal(c->limits.requests, 1000);
    assert_int_equal(c->limits.rate_count, 10);
    assert_int_equal(c->limits.rate_ms, 60000);
    assert_int_equal(c->limits.bytes, 100 << 20);
    assert_int_equal(c->limits.concurrent, 4);
    assert_int_equal(c->limits.ttl_ms, 3600000);
    assert_int_equal(c->limits.max_body, 2000);
    assert_true(c->is_mask_off);
    assert_true(c->passes_cookies);
}

static void limits_nothing_by_itself(void **state) {
    static const struct limits none = {0};
    _cleanup_settings_ struct settings *silent = take_text((struct text){0});
    _cleanup_settings_ struct settings *spoken =
        take_text((struct text){.rest = "    mask: on\n    pass: []\n    limits: {}\n    deny: []\n"});
    const struct settings *const both[] = {silent, spoken};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        const struct credential *c = &both[i]->credentials[0];

        assert_memory_equal(&c->limits, &none, sizeof(none));
        assert_int_equal(c->n_deny, 0);
        assert_int_equal(c->n_executables, 0);
        assert_false(c->is_mask_off);
        assert_false(c->passes_cookies);
    }
}

static void tells_all_from_nothing(void **state) {
    _cleanup_settings_ struct settings *all = take_text((struct text){.rest = "    allow: all\n"});
    _cleanup_settings_ struct settings *nothing = take_text((struct text){.rest = "    allow: []\n    env: {}\n"});

    (void)state;
    assert_true(all->credentials[0].allows_all);
    assert_int_equal(all->credentials[0].n_allow, 0);
    assert_false(nothing->credentials[0].allows_all);
    assert_int_equal(nothing->credentials[0].n_allow, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_wrong_rule),
        cmocka_unit_test(refuses_a_wrong_denial),
        cmocka_unit_test(refuses_wrong_executables),
        cmocka_unit_test(refuses_wrong_limits),
        cmocka_unit_test(refuses_wrong_switches),
        cmocka_unit_test(refuses_more_than_the_limits),
        cmocka_unit_test(refuses_two_lists_that_are_too_long_together),
        cmocka_unit_test(keeps_what_is_written),
        cmocka_unit_test(limits_nothing_by_itself),
        cmocka_unit_test(tells_all_from_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
