#include "fleet/task/task_environment.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static struct order_variable variables[4];
static struct order order;
static struct task_environment_parts parts;
static struct task_environment made;
static const char *fault;
static struct slice name;

static int setup(void **state) {
    (void)state;
    order = (struct order){.variables = variables};
    parts = (struct task_environment_parts){.base = SLICE("PATH=/bin\0HOME=/root\0"), .order = &order};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    task_environment_done(&made);
    return 0;
}

static void order_has(struct slice of_name, struct slice value) {
    variables[order.n_variables++] = (struct order_variable){of_name, value};
}

static int make(void) {
    return task_environment_make(&parts, &made, &fault, &name);
}

#define assert_made(literal)                                                                                           \
    do {                                                                                                               \
        assert_int_equal(make(), 0);                                                                                   \
        assert_true(slice_equals(buf_slice(&made.text), SLICE(literal)));                                              \
    } while (0)

static void the_last_word_is_the_keys(void **state) {
    (void)state;
    order_has(SLICE("HOME"), SLICE("/home"));
    order_has(SLICE("CRED"), SLICE("9"));
    parts.lease = SLICE("CRED=3\0URL=http://x\0");
    assert_made("PATH=/bin\0HOME=/home\0CRED=3\0URL=http://x\0");
    assert_int_equal(made.n, 4);
    assert_int_equal(made.n_keys, 0);
}

static void a_key_without_a_lease_is_a_variable(void **state) {
    (void)state;
    order_has(SLICE("FLASHDUTY_APP_KEY"), SLICE("another"));
    parts.key = SLICE("the-key");
    parts.url = SLICE("https://api.example");
    assert_made("PATH=/bin\0HOME=/root\0FLASHDUTY_APP_KEY=the-key\0FLASHDUTY_BASE_URL=https://api.example\0");
    assert_int_equal(made.n_keys, 1);
    assert_slice(made.keys[0], "the-key");
}

static void variables_that_hold_keys_are_known(void **state) {
    (void)state;
    order_has(SLICE("FLASHDUTY_APP_KEY"), SLICE("first-key"));
    order_has(SLICE("TOKEN"), SLICE("second-key"));
    order_has(SLICE("TOKENS"), SLICE("none"));
    order_has(SLICE("PIN"), SLICE("123"));
    parts.key_names = SLICE("TOKEN\0PIN\0");
    assert_int_equal(make(), 0);
    assert_int_equal(made.n_keys, 2); /* the third is too short to be one */
    assert_slice(made.keys[0], "first-key");
    assert_slice(made.keys[1], "second-key");
}

static void the_last_of_two_counts(void **state) {
    (void)state;
    order_has(SLICE("A"), SLICE("1"));
    order_has(SLICE("A"), SLICE("2"));
    assert_made("PATH=/bin\0HOME=/root\0A=2\0");
}

static void what_cannot_be_a_variable_is_refused(void **state) {
    static const struct order_variable bad[] = {
        {SLICE(""), SLICE("x")}, {SLICE("A=B"), SLICE("x")}, {SLICE("A\0B"), SLICE("x")}, {SLICE("A"), SLICE("x\0y")}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        order.n_variables = 0;
        order_has(bad[i].name, bad[i].value);
        assert_int_equal(make(), -EINVAL);
        assert_true(slice_equals(name, bad[i].name));
        task_environment_done(&made);
    }
}

static void a_key_that_cannot_be_masked_is_refused(void **state) {
    static char large[LIMIT_SECRET + 1];

    (void)state;
    memset(large, 'x', sizeof(large));
    order_has(SLICE("FLASHDUTY_APP_KEY"), slice_of(large, sizeof(large)));
    assert_int_equal(make(), -EINVAL);
    assert_slice(name, "FLASHDUTY_APP_KEY");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_last_word_is_the_keys),
        TEST(a_key_without_a_lease_is_a_variable),
        TEST(variables_that_hold_keys_are_known),
        TEST(the_last_of_two_counts),
        TEST(what_cannot_be_a_variable_is_refused),
        TEST(a_key_that_cannot_be_masked_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
