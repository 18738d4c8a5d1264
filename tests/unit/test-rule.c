#include "egress/rules/rule.h"

#include "unit.h"

static char get[] = "GET", post[] = "POST", any[] = "*";
static char incidents[] = "/incident/**", list[] = "/incident/list", one[] = "/v1/users/*", open_to_all[] = "/open/**",
            exact[] = "/a", nested[] = "/x/y", everything[] = "/public/**";

static struct rule rules[] = {
    {get, incidents}, {post, list}, {get, one}, {any, open_to_all}, {get, exact}, {get, nested}, {get, everything},
};

static struct credential credential = {.allow = rules, .n_allow = ARRAY_LEN(rules)};

struct row {
    struct slice method, path;
    enum rule_verdict verdict;
    const struct rule *rule;
};

static void decide_all(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        _cleanup_slice_ struct slice path = exact_copy(rows[i].path);
        const struct rule *rule = &rules[0];

        assert_row(rows[i].path, rule_decide(&credential, rows[i].method, path, &rule) == rows[i].verdict);
        assert_row(rows[i].path, rule == rows[i].rule);
    }
}

static void plain_paths(void **state) {
    static const struct row rows[] = {
        {SLICE("GET"), SLICE("/incident/17/notes"), RULE_ALLOWS, &rules[0]},
        {SLICE("GET"), SLICE("/incident/"), RULE_ALLOWS, &rules[0]},
        {SLICE("GET"), SLICE("/incident"), RULE_ALLOWS, &rules[0]},
        {SLICE("GET"), SLICE("/incidents"), RULE_NONE, NULL},
        {SLICE("POST"), SLICE("/incident/list"), RULE_ALLOWS, &rules[1]},
        {SLICE("GET"), SLICE("/incident/list"), RULE_ALLOWS, &rules[0]},
        {SLICE("POST"), SLICE("/incident/list/"), RULE_NONE, NULL},
        {SLICE("POST"), SLICE("/incident/lists"), RULE_NONE, NULL},
        {SLICE("POST"), SLICE("/incident/17"), RULE_NONE, NULL},
        {SLICE("GET"), SLICE("/v1/users/me"), RULE_ALLOWS, &rules[2]},
        {SLICE("GET"), SLICE("/v1/users/"), RULE_ALLOWS, &rules[2]},
        {SLICE("GET"), SLICE("/v1/users/me/keys"), RULE_NONE, NULL},
        {SLICE("GET"), SLICE("/v1/users"), RULE_NONE, NULL},
        {SLICE("GET"), SLICE("/"), RULE_NONE, NULL},
        {SLICE("GET"), SLICE("/A"), RULE_NONE, NULL},
    };

    (void)state;
    decide_all(rows, ARRAY_LEN(rows));
}

/* Methods are case-sensitive (RFC 9110 §9.1), and a rule's * is every one of them. */
static void methods(void **state) {
    static const struct row rows[] = {
        {SLICE("GET"), SLICE("/open/x"), RULE_ALLOWS, &rules[3]},
        {SLICE("DELETE"), SLICE("/open/x"), RULE_ALLOWS, &rules[3]},
        {SLICE("anything"), SLICE("/open/x"), RULE_ALLOWS, &rules[3]},
        {SLICE("get"), SLICE("/a"), RULE_NONE, NULL},
        {SLICE("HEAD"), SLICE("/a"), RULE_NONE, NULL},
        {SLICE("GETS"), SLICE("/a"), RULE_NONE, NULL},
        {SLICE("GE"), SLICE("/a"), RULE_NONE, NULL},
        {SLICE("*"), SLICE("/a"), RULE_NONE, NULL},
    };

    (void)state;
    decide_all(rows, ARRAY_LEN(rows));
}

/* Allowed as written, not as read; or the other way round: either is refused, and not as a mere lack of a rule. */
static void paths_with_two_readings(void **state) {
    static const struct slice allowed_as_sent[] = {
        SLICE("/public/../secret"),
        SLICE("/public/x/../../secret"),
        SLICE("/public/%2e%2e/secret"),
        SLICE("/public/%2E%2e/secret"),
        SLICE("/public/.%2e/secret"),
        SLICE("/public/..%2fsecret"),
        SLICE("/public/..%5csecret"),
        SLICE("/public/..\\secret"),
        SLICE("/public/..;/secret"),
        SLICE("/public/..;x=y/secret"),
        SLICE("/public/%2e%2e%3bx/secret"),
        SLICE("/public//../../secret"),
        SLICE("/public/.."),
    };
    static const struct slice allowed_as_read[] = {
        SLICE("/a;x=y"),  SLICE("/a;"),         SLICE("/%61"),  SLICE("//a"),      SLICE("/./a"),     SLICE("/x//y"),
        SLICE("/x/./y"),  SLICE("/x/%79"),      SLICE("/x\\y"), SLICE("/x%2fy"),   SLICE("/x%2Fy"),   SLICE("/x%5Cy"),
        SLICE("/q/../a"), SLICE("/q/%2e%2e/a"), SLICE("/../a"), SLICE("/x;v=1/y"), SLICE("/x/y;v=1"),
    };
    static const struct slice nobody_can_say[] = {
        SLICE("/public/%252e%252e/secret"),
        SLICE("/public/%252e/x"),
        SLICE("/public/a%252fb"),
        SLICE("/public/a%255cb"),
        SLICE("/public/a%253bb"),
        SLICE("/public/a%2500b"),
        SLICE("/public/a%00b"),
        SLICE("/public/%25252e"),
        SLICE("/secret/%252e%252e"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(allowed_as_sent); i++)
        decide_all(&(struct row){SLICE("GET"), allowed_as_sent[i], RULE_AMBIGUOUS, NULL}, 1);
    for (size_t i = 0; i < ARRAY_LEN(allowed_as_read); i++)
        decide_all(&(struct row){SLICE("GET"), allowed_as_read[i], RULE_AMBIGUOUS, NULL}, 1);
    for (size_t i = 0; i < ARRAY_LEN(nobody_can_say); i++)
        decide_all(&(struct row){SLICE("GET"), nobody_can_say[i], RULE_AMBIGUOUS, NULL}, 1);
}

/* An odd path is fine where both readings end in something allowed, and merely not allowed where neither does. */
static void odd_paths_with_one_answer(void **state) {
    static const struct row rows[] = {
        {SLICE("GET"), SLICE("/public/a/../b"), RULE_ALLOWS, &rules[6]},
        {SLICE("GET"), SLICE("/public/a//b"), RULE_ALLOWS, &rules[6]},
        {SLICE("GET"), SLICE("/public/a;v=1/b"), RULE_ALLOWS, &rules[6]},
        {SLICE("GET"), SLICE("/public/a%20b"), RULE_ALLOWS, &rules[6]},
        {SLICE("GET"), SLICE("/public/%zz"), RULE_ALLOWS, &rules[6]},
        {SLICE("GET"), SLICE("/public/..."), RULE_ALLOWS, &rules[6]},
        {SLICE("GET"), SLICE("/secret/../more"), RULE_NONE, NULL},
        {SLICE("GET"), SLICE("//secret"), RULE_NONE, NULL},
        {SLICE("POST"), SLICE("/public/../secret"), RULE_NONE, NULL},
    };

    (void)state;
    decide_all(rows, ARRAY_LEN(rows));
}

/* Two rules, one for each reading, allow; the one for the path as it was sent is named. */
static void the_rule_that_is_named(void **state) {
    const struct rule *rule = NULL;

    (void)state;
    assert_int_equal(rule_decide(&credential, SLICE("GET"), SLICE("/public/../a"), &rule), RULE_ALLOWS);
    assert_ptr_equal(rule, &rules[6]);
}

static void what_is_no_path(void **state) {
    static char longest[LIMIT_TARGET + 1];
    const struct rule *rule;

    (void)state;
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "/public/", 8);
    assert_int_equal(rule_decide(&credential, SLICE("GET"), slice_of(longest, LIMIT_TARGET), &rule), RULE_ALLOWS);
    assert_int_equal(rule_decide(&credential, SLICE("GET"), slice_of(longest, LIMIT_TARGET + 1), &rule),
                     RULE_AMBIGUOUS);
    assert_int_equal(rule_decide(&credential, SLICE("OPTIONS"), SLICE("*"), &rule), RULE_AMBIGUOUS);
    assert_int_equal(rule_decide(&credential, SLICE("GET"), SLICE("public/x"), &rule), RULE_AMBIGUOUS);
    assert_int_equal(rule_decide(&credential, SLICE("GET"), SLICE_EMPTY, &rule), RULE_AMBIGUOUS);
    assert_null(rule);
}

static void no_rule_allows_nothing(void **state) {
    const struct credential none = {.n_allow = 0};
    const struct rule *rule = &rules[0];

    (void)state;
    assert_int_equal(rule_decide(&none, SLICE("GET"), SLICE("/"), &rule), RULE_NONE);
    assert_null(rule);
}

static void allow_all_allows_all(void **state) {
    static const struct slice paths[] = {SLICE("/"), SLICE("/public/../secret"), SLICE("/%252e"), SLICE("*")};
    const struct credential all = {.allows_all = true};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct rule *rule = &rules[0];

        assert_row(paths[i], rule_decide(&all, SLICE("DELETE"), paths[i], &rule) == RULE_ALLOWS);
        assert_row(paths[i], rule == NULL);
    }
}

/* What goes before the path, by the upstream or with the key in it, is not climbed out of. */
static void allow_all_stays_below_a_prefix(void **state) {
    struct inject in_path = {.kind = INJECT_PATH};
    const struct credential credentials[] = {
        {.allows_all = true, .authority.base_path = SLICE("/base")},
        {.allows_all = true, .inject = &in_path, .n_inject = 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(credentials); i++) {
        const struct rule *rule;

        assert_int_equal(rule_decide(&credentials[i], SLICE("GET"), SLICE("/a/../b"), &rule), RULE_ALLOWS);
        assert_int_equal(rule_decide(&credentials[i], SLICE("GET"), SLICE("/a/../../b"), &rule), RULE_AMBIGUOUS);
        assert_int_equal(rule_decide(&credentials[i], SLICE("GET"), SLICE("/%2e%2e"), &rule), RULE_AMBIGUOUS);
        assert_int_equal(rule_decide(&credentials[i], SLICE("OPTIONS"), SLICE("*"), &rule), RULE_ALLOWS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_paths),
        cmocka_unit_test(methods),
        cmocka_unit_test(paths_with_two_readings),
        cmocka_unit_test(odd_paths_with_one_answer),
        cmocka_unit_test(the_rule_that_is_named),
        cmocka_unit_test(what_is_no_path),
        cmocka_unit_test(no_rule_allows_nothing),
        cmocka_unit_test(allow_all_allows_all),
        cmocka_unit_test(allow_all_stays_below_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
