#include "egress/rules/denial.h"

#include "egress/rules/rule.h"
#include "unit.h"

static char get[] = "GET", delete[] = "DELETE", any[] = "*";
static char admin[] = "/admin/**", slash[] = "/closed/", escaped[] = "/caf%C3%A9/*", odd[] = "/odd;v=1//x",
            capital[] = "/Public/private", key[] = "/keys/*", climbs[] = "/../up", project[] = "/projects/*",
            kind[] = "/files/*.key", inner[] = "/p/*%2Fx", literal[] = "/lit%2541";

static struct rule denials[] = {
    {any, admin},  {get, slash},   {get, escaped}, {get, odd},   {any, capital}, {delete, key},
    {get, climbs}, {any, project}, {any, kind},    {any, inner}, {any, literal},
};

struct row {
    struct slice method, path;
    enum rule_verdict verdict;
    const struct rule *rule;
};

/* Each path twice: with a list that allows it if no rule denies it, and with `allow: all`. */
static void deny_all(const struct row *rows, size_t n) {
    static char everywhere[] = "/**";
    static struct rule rule_for_all = {any, everywhere};
    const struct credential credentials[] = {
        {.allow = &rule_for_all, .n_allow = 1, .deny = denials, .n_deny = ARRAY_LEN(denials)},
        {.allows_all = true, .deny = denials, .n_deny = ARRAY_LEN(denials)},
    };

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_LEN(credentials); k++) {
            _cleanup_slice_ struct slice path = exact_copy(rows[i].path);
            const struct rule *rule = &denials[0], *allows = credentials[k].allow;

            assert_row(rows[i].path, rule_decide(&credentials[k], rows[i].method, path, &rule) == rows[i].verdict);
            assert_row(rows[i].path, rule == (rows[i].verdict == RULE_ALLOWS ? allows : rows[i].rule));
        }
}

static void deny_wins(void **state) {
    static const struct row rows[] = {
        {SLICE("GET"), SLICE("/admin"), RULE_DENIES, &denials[0]},
        {SLICE("GET"), SLICE("/admin/"), RULE_DENIES, &denials[0]},
        {SLICE("POST"), SLICE("/admin/users/1"), RULE_DENIES, &denials[0]},
        {SLICE("PURGE"), SLICE("/admin/users/1"), RULE_DENIES, &denials[0]},
        {SLICE("DELETE"), SLICE("/keys/1"), RULE_DENIES, &denials[5]},
        {SLICE("GET"), SLICE("/keys/1"), RULE_ALLOWS, NULL},
        {SLICE("DELETE"), SLICE("/keys/1/x"), RULE_ALLOWS, NULL},
        {SLICE("GET"), SLICE("/administrator"), RULE_ALLOWS, NULL},
        {SLICE("GET"), SLICE("/x/admin"), RULE_ALLOWS, NULL},
        {SLICE("GET"), SLICE("/"), RULE_ALLOWS, NULL},
        {SLICE("POST"), SLICE("/closed/"), RULE_ALLOWS, NULL},
    };

    (void)state;
    deny_all(rows, ARRAY_LEN(rows));
}

/* One reading as denied is enough, whichever it is. */
static void no_spelling_slips_past_a_denial(void **state) {
    static const struct slice of_admin[] = {
        SLICE("/admin;x=y"),      SLICE("/admin;/users"),    SLICE("/admin;x=y/users"), SLICE("//admin"),
        SLICE("//admin//users"),  SLICE("/./admin"),         SLICE("/%2e/admin"),       SLICE("/x/../admin"),
        SLICE("/x/%2e%2e/admin"), SLICE("/x/..%2Fadmin"),    SLICE("/x/..%5cadmin"),    SLICE("/x\\..\\admin"),
        SLICE("/admin/../x"),     SLICE("/%61dmin"),         SLICE("/adm%69n/users"),   SLICE("/%2561dmin"),
        SLICE("/admin%2fusers"),  SLICE("/admin%5cusers"),   SLICE("/admin%3bx"),       SLICE("/Admin"),
        SLICE("/ADMIN/users"),    SLICE("/%41dmin"),         SLICE("/admin."),          SLICE("/admin../users"),
        SLICE("/admin%20"),       SLICE("/admin%20./users"), SLICE("/admin%09/users"),  SLICE("/admin%2e"),
        SLICE("/admin%3fx=y"),    SLICE("/admin%23x"),       SLICE("/admin/."),         SLICE("/%20/admin"),
        SLICE("/%25%36%31dmin"),
    };
    static const struct row rows[] = {
        {SLICE("get"), SLICE("/closed"), RULE_DENIES, &denials[1]},
        {SLICE("Get"), SLICE("/closed/"), RULE_DENIES, &denials[1]},
        {SLICE("GET"), SLICE("/closed;v"), RULE_DENIES, &denials[1]},
        {SLICE("GET"), SLICE("/caf%C3%A9/x"), RULE_DENIES, &denials[2]},
        {SLICE("GET"), SLICE("/caf%c3%a9/x"), RULE_DENIES, &denials[2]},
        {SLICE("GET"), SLICE("/%63af%c3%a9/x"), RULE_DENIES, &denials[2]},
        {SLICE("GET"), SLICE("/%63af%c3%a9/x/y"), RULE_ALLOWS, NULL},
        {SLICE("GET"), SLICE("/odd;v=1//x"), RULE_DENIES, &denials[3]},
        {SLICE("GET"), SLICE("/odd/x"), RULE_DENIES, &denials[3]},
        {SLICE("GET"), SLICE("/odd;v=2/x"), RULE_DENIES, &denials[3]},
        {SLICE("GET"), SLICE("/public/private"), RULE_DENIES, &denials[4]},
        {SLICE("delete"), SLICE("/keys/1"), RULE_DENIES, &denials[5]},
        {SLICE("DELETE"), SLICE("/Keys/"), RULE_DENIES, &denials[5]},
        {SLICE("GET"), SLICE("/x/../lit%2541"), RULE_DENIES, &denials[10]},
        {SLICE("GET"), SLICE("/../up"), RULE_DENIES, &denials[6]},
        {SLICE("GET"), SLICE("/up"), RULE_ALLOWS, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(of_admin); i++)
        deny_all(&(struct row){SLICE("GET"), of_admin[i], RULE_DENIES, &denials[0]}, 1);
    deny_all(rows, ARRAY_LEN(rows));
}

/* A star takes a slash that is escaped, whatever else of the path is escaped too; and what may be a parameter. */
static void bytes_that_separate_for_some_servers_only(void **state) {
    static const struct row rows[] = {
        {SLICE("GET"), SLICE("/projects/g%2Fp"), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("/%70rojects/g%2fp"), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("/%70rojects/g%5Cp"), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("//projects/g%2Fp"), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("/projects;v/g%2Fp/."), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("/%2570rojects/g%2Fp"), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("/projects/g/p"), RULE_ALLOWS, NULL},
        {SLICE("GET"), SLICE("/projects;v/g%5Cp"), RULE_DENIES, &denials[7]},
        {SLICE("GET"), SLICE("/files/a;b.key"), RULE_DENIES, &denials[8]},
        {SLICE("GET"), SLICE("/%66iles/a;b.ke%79"), RULE_DENIES, &denials[8]},
        {SLICE("GET"), SLICE("/%66iles/a%2fb;c.key"), RULE_DENIES, &denials[8]},
        {SLICE("GET"), SLICE("/%66iles/a%23b.key%20"), RULE_DENIES, &denials[8]},
        {SLICE("GET"), SLICE("/%66iles/a.key%23b"), RULE_DENIES, &denials[8]},
        {SLICE("GET"), SLICE("/files/a.key/b"), RULE_ALLOWS, NULL},
        {SLICE("GET"), SLICE("/p/a%2Fx"), RULE_DENIES, &denials[9]},
        {SLICE("GET"), SLICE("/%70/a%2fb%2fx"), RULE_DENIES, &denials[9]},
        {SLICE("GET"), SLICE("/p/a/x"), RULE_DENIES, &denials[9]},
        {SLICE("GET"), SLICE("/p/a/b/x"), RULE_ALLOWS, NULL},
    };

    (void)state;
    deny_all(rows, ARRAY_LEN(rows));
}

/* With a deny rule, what nobody can read is refused even where all is allowed: it might be what is denied. */
static void a_denial_wants_a_path_that_can_be_read(void **state) {
    static const struct slice paths[] = {
        SLICE("/../x"), SLICE("/%252e%252e/x"),  SLICE("/x%00"), SLICE("/a%253bb"), SLICE("x"),
        SLICE(""),      SLICE("/%25%2534%2531"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        deny_all(&(struct row){SLICE("GET"), paths[i], RULE_AMBIGUOUS, NULL}, 1);
}

static void the_server_as_a_whole(void **state) {
    static char root[] = "/";
    static struct rule deny_root = {any, root};
    const struct credential some = {.allows_all = true, .deny = denials, .n_deny = ARRAY_LEN(denials)};
    const struct credential none = {.allows_all = true, .deny = &deny_root, .n_deny = 1};
    const struct rule *rule;

    (void)state;
    assert_int_equal(rule_decide(&some, SLICE("OPTIONS"), SLICE("*"), &rule), RULE_ALLOWS);
    assert_int_equal(rule_decide(&none, SLICE("OPTIONS"), SLICE("*"), &rule), RULE_DENIES);
    assert_ptr_equal(rule, &deny_root);
}

/* What denial_find itself says: a rule, none, or that it cannot say. */
static void what_is_found(void **state) {
    const struct credential none = {.allows_all = true}, some = {.deny = denials, .n_deny = ARRAY_LEN(denials)};
    const struct rule *rule = &denials[1];

    (void)state;
    assert_true(denial_find(&none, SLICE("GET"), SLICE("/%00"), &rule));
    assert_null(rule);
    assert_true(denial_find(&some, SLICE("GET"), SLICE("/x/y"), &rule));
    assert_null(rule);
    assert_true(denial_find(&some, SLICE("GET"), SLICE("/Admin"), &rule));
    assert_ptr_equal(rule, &denials[0]);
    assert_false(denial_find(&some, SLICE("GET"), SLICE("/%00"), &rule));
    assert_null(rule);
}

/* The longest rule is read, and one that could not be denies. */
static void long_rules(void **state) {
    static char longest[LIMIT_RULE + 2];
    struct rule rule = {any, longest};
    const struct credential credential = {.deny = &rule, .n_deny = 1};
    const struct rule *found;

    (void)state;
    memset(longest, 'a', LIMIT_RULE);
    longest[0] = '/';
    assert_true(denial_find(&credential, SLICE("GET"), SLICE("/b"), &found));
    assert_null(found);
    assert_true(denial_find(&credential, SLICE("GET"), slice_of(longest, LIMIT_RULE), &found));
    assert_ptr_equal(found, &rule);
    longest[LIMIT_RULE] = 'a';
    assert_true(denial_find(&credential, SLICE("GET"), SLICE("/b"), &found));
    assert_ptr_equal(found, &rule);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deny_wins),
        cmocka_unit_test(no_spelling_slips_past_a_denial),
        cmocka_unit_test(bytes_that_separate_for_some_servers_only),
        cmocka_unit_test(a_denial_wants_a_path_that_can_be_read),
        cmocka_unit_test(the_server_as_a_whole),
        cmocka_unit_test(what_is_found),
        cmocka_unit_test(long_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
