#include "egress/rules/suggest_merge.h"

#include <stdio.h>

#include "base/limits.h"
#include "unit.h"
#include "wire/glob.h"

#define MANY 600

static char paths[4 * MANY][128];
static struct suggest_rule rules[4 * MANY];
static size_t n_rules;

static void add(const char *method, const char *path) {
    assert_true(n_rules < ARRAY_LEN(rules));
    (void)snprintf(paths[n_rules], sizeof(paths[0]), "%s", path);
    rules[n_rules] =
        (struct suggest_rule){.method = slice_of_string(method), .path = slice_of_string(paths[n_rules]), .n = 1};
    n_rules++;
}

static int begin(void **state) {
    (void)state;
    n_rules = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    for (size_t i = 0; i < n_rules; i++)
        suggest_rule_done(&rules[i]);
    return 0;
}

static bool has(const char *method, const char *path) {
    for (size_t i = 0; i < n_rules; i++)
        if (slice_equals(rules[i].method, slice_of_string(method)) &&
            slice_equals(rules[i].path, slice_of_string(path)))
            return true;
    return false;
}

static uint64_t count_all(void) {
    uint64_t n = 0;

    for (size_t i = 0; i < n_rules; i++)
        n += rules[i].n;
    return n;
}

/* What was asked for by any of them is still let through. */
static void require_all_covered(size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool is_covered = false;

        for (size_t k = 0; k < n_rules; k++)
            is_covered = is_covered || glob_matches(rules[k].path, slice_of_string(paths[i]));
        if (!is_covered)
            fail_msg("%s is not covered", paths[i]);
    }
}

static void few_stay_as_they_are(void **state) {
    (void)state;
    add("POST", "/b");
    add("GET", "/b");
    add("GET", "/a/1");
    add("GET", "/a/1");
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_int_equal(n_rules, 3);
    assert_slice(rules[0].path, "/a/1");
    assert_int_equal(rules[0].n, 2);
    assert_slice(rules[1].path, "/b");
    assert_slice(rules[1].method, "GET");
    assert_slice(rules[2].method, "POST");
}

static void identifiers_go_first(void **state) {
    char path[128];

    (void)state;
    add("GET", "/names/alice");
    add("GET", "/names/bob");
    add("GET", "/words/facade");
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "/issues/%u", i);
        add("GET", path);
        (void)snprintf(path, sizeof(path), "/commits/%07x5/status", 0xabcdef + i);
        add("GET", path);
        (void)snprintf(path, sizeof(path), "/things/%08x-0000-4000-8000-00000000abcd/part", i);
        add("POST", path);
    }
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_int_equal(n_rules, 6);
    assert_true(has("GET", "/issues/*") && has("GET", "/commits/*/status") && has("POST", "/things/*/part"));
    assert_true(has("GET", "/names/alice") && has("GET", "/names/bob") && has("GET", "/words/facade"));
    assert_int_equal(count_all(), 3 + 3 * MANY);
    require_all_covered(3 + 3 * MANY);
}

static void then_the_most_numerous_siblings(void **state) {
    char path[128];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "/repos/n%u/pulls", i);
        add("GET", path);
    }
    for (unsigned i = 0; i < LIMIT_RULES - 1; i++) {
        (void)snprintf(path, sizeof(path), "/x/n%u", i);
        add("GET", path);
    }
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_int_equal(n_rules, LIMIT_RULES);
    assert_true(has("GET", "/repos/*/pulls") && has("GET", "/x/n7"));
    assert_false(has("GET", "/x/*"));
    require_all_covered(MANY + LIMIT_RULES - 1);
}

static void methods_stay_apart(void **state) {
    char path[128];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "/x/n%u", i);
        add("GET", path);
    }
    add("DELETE", "/x/n1");
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_int_equal(n_rules, 2);
    assert_true(has("GET", "/x/*") && has("DELETE", "/x/n1"));
}

/* Paths of one depth with nothing in common but that: two segments become `*`, one after the other. */
static void goes_on_until_they_fit(void **state) {
    char path[128];

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        for (unsigned k = 0; k < 40; k++) {
            (void)snprintf(path, sizeof(path), "/o%u/r%u/tree", i, k);
            add("GET", path);
        }
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_true(n_rules <= LIMIT_RULES && suggest_fits(rules, n_rules));
    assert_int_equal(count_all(), 1600);
    require_all_covered(1600);
}

static void what_has_no_sibling_is_left(void **state) {
    char path[128];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "/o%u/r%u", i, i);
        add("GET", path);
    }
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_int_equal(n_rules, MANY);
    assert_false(suggest_fits(rules, n_rules));
}

static void never_two_stars(void **state) {
    char path[128];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "/%u/%u//", i, i);
        add("GET", path);
    }
    assert_int_equal(suggest_merge(rules, &n_rules), 0);
    assert_int_equal(n_rules, 1);
    assert_slice(rules[0].path, "/*/*//");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(few_stay_as_they_are, begin, end),
        cmocka_unit_test_setup_teardown(identifiers_go_first, begin, end),
        cmocka_unit_test_setup_teardown(then_the_most_numerous_siblings, begin, end),
        cmocka_unit_test_setup_teardown(methods_stay_apart, begin, end),
        cmocka_unit_test_setup_teardown(goes_on_until_they_fit, begin, end),
        cmocka_unit_test_setup_teardown(what_has_no_sibling_is_left, begin, end),
        cmocka_unit_test_setup_teardown(never_two_stars, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
