#include "egress/rules/rule_lint.h"

#include <stdio.h>

#include "base/limits.h"
#include "unit.h"

#define RULES_MAX 8

static char text[2 * RULES_MAX][64], found[1024];
static struct rule allow[RULES_MAX], deny[RULES_MAX];

/* The rules of `lines`, "METHOD PATH" each, `!` before one that denies; line numbers count from 1. */
static struct credential make(const char *lines) {
    struct credential credential = {.allow = allow, .deny = deny};
    struct slice rest = slice_of_string(lines);

    for (size_t line = 1; rest.p; line++) {
        struct slice rule = slice_cut(&rest, '\n');
        bool is_denial = slice_starts_with(rule, SLICE("!"));
        char *to = text[line - 1], *blank;

        assert_true(line <= RULES_MAX && rule.n < sizeof(text[0]));
        rule = slice_from(rule, is_denial);
        memcpy(to, rule.p, rule.n);
        to[rule.n] = '\0';
        blank = strchr(to, ' ');
        assert_non_null(blank);
        *blank = '\0';
        if (is_denial)
            deny[credential.n_deny++] = (struct rule){to, blank + 1, line};
        else
            allow[credential.n_allow++] = (struct rule){to, blank + 1, line};
    }
    return credential;
}

static void note(const struct rule_warning *warning, void *context) {
    static const char *const words[] = {
        [RULE_NEVER_SENT] = "never-sent", [RULE_UNREADABLE] = "unreadable", [RULE_READS_OTHERWISE] = "reads",
        [RULE_ALWAYS_DENIED] = "denied",  [RULE_DUPLICATE] = "same",        [RULE_COVERED] = "covered",
    };
    size_t n = strlen(found);

    assert_ptr_equal(context, found);
    assert_true((warning->other != NULL) == (warning->kind >= RULE_ALWAYS_DENIED));
    assert_true(warning->is_denial == (warning->rule >= deny && warning->rule < deny + RULES_MAX));
    n += (size_t)snprintf(found + n, sizeof(found) - n, "%s%zu %s", n > 0 ? ", " : "", warning->rule->line,
                          words[warning->kind]);
    if (warning->other)
        (void)snprintf(found + n, sizeof(found) - n, " %zu", warning->other->line);
    else if (warning->kind == RULE_READS_OTHERWISE)
        (void)snprintf(found + n, sizeof(found) - n, " %.*s", SLICE_ARG(warning->reading));
}

struct row {
    const char *rules, *warnings;
};

static void lint_all(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct credential credential = make(rows[i].rules);

        found[0] = '\0';
        rule_lint(&credential, note, found);
        if (strcmp(found, rows[i].warnings) != 0)
            fail_msg("\"%s\": \"%s\" and not \"%s\"", rows[i].rules, found, rows[i].warnings);
    }
}

static void sound_rules(void **state) {
    static const struct row rows[] = {
        {"GET /a", ""},
        {"GET /a/**\nPOST /a/b\nGET /b", ""},
        {"GET /a/*\nGET /a/*/b\nGET /a", ""},
        {"GET /a/\nGET /a", ""},
        {"GET /*.json\nGET /**/y\nGET /.well-known/*\nGET /.../x", ""},
        {"* /a/**\n!DELETE /a/**\n!* /a/keys/*", ""},
        {"GET /a/**\n!GET /a/b/**\n!GET /c", ""},
        {"GET /a:b/@me/~x/$y/(z)/e+f/g=h/*,*", ""},
        {"GET /a%", "1 never-sent"},
        {"GET /a%4*\nGET /b%*x\nGET /c%*", ""},
    };

    (void)state;
    lint_all(rows, ARRAY_LEN(rows));
}

static void rules_that_make_others_needless(void **state) {
    static const struct row rows[] = {
        {"GET /a/**\nGET /a/b", "2 covered 1"},
        {"GET /a/b\nGET /a/**", "1 covered 2"},
        {"* /a/**\nGET /a/b\nPOST /a/*/c", "2 covered 1, 3 covered 1"},
        {"GET /a/b\n* /a/b", "1 covered 2"},
        {"GET /a/**\nGET /a\nGET /a/", "2 covered 1, 3 covered 1"},
        {"GET /a\nGET /a", "2 same 1"},
        {"GET /a\nPOST /a\nGET /a\nPOST /a", "3 same 1, 4 same 2"},
        {"GET /a/**\nGET /a/b\nGET /a/b", "2 covered 1, 3 covered 1"},
        {"GET /*/**\nGET /**", "2 covered 1"},
        {"GET /**\nGET /*/**", "2 covered 1"},
        {"GET /a\n!GET /b/**\n!GET /b/c\n!GET /b/**", "3 covered 2, 4 same 2"},
        {"GET /a\n!DELETE /b\n!* /b", "2 covered 3"},
    };

    (void)state;
    lint_all(rows, ARRAY_LEN(rows));
}

static void allowed_and_always_denied(void **state) {
    static const struct row rows[] = {
        {"GET /a\n!GET /a", "1 denied 2"},
        {"!* /a/**\nGET /a/b\nPOST /a/*\nGET /c", "2 denied 1, 3 denied 1"},
        {"* /a\n!GET /a", ""},
        {"GET /a/**\n!GET /a/*", ""},
        {"GET /a/**\nGET /a/b\n!GET /a/b", "2 denied 3"},
        {"GET /a\nGET /a\n!GET /**", "1 denied 3, 2 denied 3"},
    };

    (void)state;
    lint_all(rows, ARRAY_LEN(rows));
}

static void rules_that_no_request_comes_to(void **state) {
    static const struct row rows[] = {
        {"TRACE /a\nCONNECT /a\ntrack /a\nOPTIONS /a", "1 never-sent, 2 never-sent, 3 never-sent"},
        {"GET /a%zz\nGET /a%0a\nGET /b%0\nGET /a%0d*\nGET /%00", "1 never-sent, 2 never-sent, 3 never-sent, "
                                                                 "4 never-sent, 5 never-sent"},
        {"GET /a\n!TRACE /a", "2 never-sent"},
        {"GET /../a\nGET /a/../../b\nGET /%2e%2e\nGET /a%252fb", "1 unreadable, 2 unreadable, 3 unreadable, "
                                                                 "4 unreadable"},
        {"GET /b\n!GET /../a", "2 unreadable"},
    };

    (void)state;
    lint_all(rows, ARRAY_LEN(rows));
}

/* What is sent as the rule says is read as something else, and the rule has to allow both. */
static void paths_that_are_read_otherwise(void **state) {
    static const struct row rows[] = {
        {"GET /a;v=1/b", "1 reads /a/b"},
        {"GET /a//b", "1 reads /a/b"},
        {"GET //a/*", "1 reads /a/*"},
        {"GET /a/./b", "1 reads /a/b"},
        {"GET /a/../b", "1 reads /b"},
        {"GET /a/.", "1 reads /a/"},
        {"GET /a/./**", "1 reads /a/**"},
        {"GET /%61", "1 reads /a"},
        {"GET /%7euser/**", "1 reads /~user/**"},
        {"GET /a%2Fb", "1 reads /a/b"},
        {"GET /a%20b", "1 reads /a b"},
        {"GET /caf%C3%A9", "1 reads /caf\xC3\xA9"},
        {"GET /*;v=1", "1 reads /*"},

        /* its tree has a plain root */
        {"GET /a//**", ""},

        /* the other half of what such a path needs */
        {"GET /a;v=1/b\nGET /a/b", ""},
        {"GET /a;v=1/b\n* /a/*", ""},
        {"GET /a;v=1/b\n* /*/b", "1 covered 2"},
        {"GET /a;v=*/b\nGET /a/*", ""},
        {"* /a;v=1/b\nGET /a/b", ""},
        {"GET /a//*\nGET /a/x;v", "1 reads /a/*, 2 reads /a/x"},
        {"GET /a;v=1/*\nGET /a/b", ""},
        {"GET /a;v=1/b\nPOST /a/b", "1 reads /a/b"},
        {"GET /a//b\nGET /a//b", "1 reads /a/b, 2 reads /a/b"},
        {"GET /a//b\nGET /a/./b", "1 reads /a/b, 2 reads /a/b"},
        {"GET /a%20b\nGET /a**", "1 covered 2"},
    };

    (void)state;
    lint_all(rows, sizeof(rows) / sizeof(rows[0]));
}

/* A deny rule takes what servers read it as, too; escapes are the only way to write some of it. */
static void denials_that_are_read_otherwise(void **state) {
    static const struct row rows[] = {
        {"!GET /a;v=1/b", "1 reads /a/b"},
        {"!GET /a//b", "1 reads /a/b"},
        {"!GET /a//**", "1 reads /a/**"},
        {"!GET /caf%C3%A9\n!GET /a%20b\n!GET /%61", ""},
        {"!GET /a/*\n!GET /a/%61\n!GET /a/b", "3 covered 1"},
        {"!GET /a/*\n!GET /a/", ""}, /* that stops "/a", too */
        {"!GET /a/\n!GET /a/", "2 same 1"},
        {"!GET /caf%*\n!GET /caf%C3%A9", ""},
    };

    (void)state;
    lint_all(rows, ARRAY_LEN(rows));
}

static void nothing_to_say_of_no_rules(void **state) {
    const struct credential all = {.allows_all = true}, none = {.n_allow = 0};

    (void)state;
    found[0] = '\0';
    rule_lint(&all, note, found);
    rule_lint(&none, note, found);
    assert_string_equal(found, "");
}

/* The longest rule there is, all of it stars or escapes. */
static void longest_rules(void **state) {
    static char stars[LIMIT_RULE + 1], escapes[LIMIT_RULE + 1], method[] = "GET";
    struct rule rules[] = {{method, stars, 1}, {method, escapes, 2}};
    const struct credential credential = {.allow = rules, .n_allow = ARRAY_LEN(rules)};

    (void)state;
    for (size_t i = 0; i < LIMIT_RULE; i++) {
        stars[i] = i == 0 ? '/' : "a*"[i % 2];
        escapes[i] = i == 0 ? '/' : "%41"[(i - 1) % 3];
    }
    escapes[LIMIT_RULE - 1] = 'x'; /* 2047 is no multiple of three */
    found[0] = '\0';
    rule_lint(&credential, note, found);
    assert_true(slice_starts_with(slice_of_string(found), SLICE("2 reads /AAA")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_rules),
        cmocka_unit_test(rules_that_make_others_needless),
        cmocka_unit_test(allowed_and_always_denied),
        cmocka_unit_test(rules_that_no_request_comes_to),
        cmocka_unit_test(paths_that_are_read_otherwise),
        cmocka_unit_test(denials_that_are_read_otherwise),
        cmocka_unit_test(nothing_to_say_of_no_rules),
        cmocka_unit_test(longest_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
