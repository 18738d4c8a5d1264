#include "egress/keeper/budget.h"

#include "unit.h"

#define START 1000000 /* ms on the clock: a boot ago */

static enum refusal take(struct budget *b, const struct limits *limits, uint64_t now_ms) {
    uint64_t wait;

    return budget_take(b, limits, now_ms, &wait);
}

static void no_limit_is_never_spent(void **state) {
    const struct limits none = {0};
    struct budget b;

    (void)state;
    budget_init(&b, 0, 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(take(&b, &none, START), REFUSAL_NONE);
    assert_true(budget_spend(&b, &none, UINT64_MAX / 2));
    while (b.active > 0)
        budget_release(&b);
    assert_int_equal(budget_end(&b, &none), REFUSAL_NONE);
}

static void requests_are_counted_and_end_the_lease_with_the_last_one(void **state) {
    const struct limits limits = {.requests = 2};
    struct budget b;

    (void)state;
    budget_init(&b, 0, 0);
    assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
    assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
    assert_int_equal(take(&b, &limits, START), REFUSAL_REQUESTS);
    assert_int_equal(budget_end(&b, &limits), REFUSAL_NONE); /* two are under way */
    budget_release(&b);
    budget_release(&b);
    assert_int_equal(budget_end(&b, &limits), REFUSAL_REQUESTS);
}

static void what_was_spent_before_counts(void **state) {
    const struct limits limits = {.requests = 10, .bytes = 100};
    struct budget b;

    (void)state;
    budget_init(&b, 10, 0);
    assert_int_equal(take(&b, &limits, START), REFUSAL_REQUESTS);
    budget_init(&b, 0, 100);
    assert_int_equal(take(&b, &limits, START), REFUSAL_BYTES);
    assert_int_equal(budget_end(&b, &limits), REFUSAL_BYTES);
}

static void bytes_may_be_spent_to_the_last_one(void **state) {
    const struct limits limits = {.bytes = 100};
    struct budget b;

    (void)state;
    budget_init(&b, 0, 0);
    assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
    assert_true(budget_spend(&b, &limits, 99));
    assert_true(budget_spend(&b, &limits, 1));
    assert_false(budget_spend(&b, &limits, 1));
}

static void a_refusal_takes_nothing(void **state) {
    const struct limits limits = {.concurrent = 1, .requests = 2};
    struct budget b;

    (void)state;
    budget_init(&b, 0, 0);
    assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(&b, &limits, START), REFUSAL_CONCURRENT);
    budget_release(&b);
    assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
}

static void a_rate_is_a_bucket_that_refills_evenly(void **state) {
    const struct limits limits = {.rate_count = 10, .rate_ms = 1000};
    struct budget b;
    uint64_t wait;

    (void)state;
    budget_init(&b, 0, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
    assert_int_equal(budget_take(&b, &limits, START, &wait), REFUSAL_RATE);
    assert_int_equal(wait, 1);
    assert_int_equal(take(&b, &limits, START + 99), REFUSAL_RATE);
    assert_int_equal(take(&b, &limits, START + 100), REFUSAL_NONE);
    assert_int_equal(take(&b, &limits, START + 100), REFUSAL_RATE);
    /* a rest refills it, and never beyond its size */
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(&b, &limits, START + 3600000), REFUSAL_NONE);
    assert_int_equal(take(&b, &limits, START + 3600000), REFUSAL_RATE);
}

static void waiting_as_long_as_was_said_is_enough(void **state) {
    const struct limits limits = {.rate_count = 3, .rate_ms = 60000};
    struct budget b;
    uint64_t wait;

    (void)state;
    budget_init(&b, 0, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
    assert_int_equal(budget_take(&b, &limits, START + 1, &wait), REFUSAL_RATE);
    assert_int_equal(wait, 20);
    assert_int_equal(take(&b, &limits, START + 1 + wait * 1000), REFUSAL_NONE);
}

static void a_rate_beyond_the_clock_is_no_limit(void **state) {
    const struct limits limits = {.rate_count = UINT32_MAX, .rate_ms = 1};
    struct budget b;

    (void)state;
    budget_init(&b, 0, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(take(&b, &limits, START), REFUSAL_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_never_spent),
        cmocka_unit_test(requests_are_counted_and_end_the_lease_with_the_last_one),
        cmocka_unit_test(what_was_spent_before_counts),
        cmocka_unit_test(bytes_may_be_spent_to_the_last_one),
        cmocka_unit_test(a_refusal_takes_nothing),
        cmocka_unit_test(a_rate_is_a_bucket_that_refills_evenly),
        cmocka_unit_test(waiting_as_long_as_was_said_is_enough),
        cmocka_unit_test(a_rate_beyond_the_clock_is_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
