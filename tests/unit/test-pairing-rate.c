#include "ingress/pairing/pairing_rate.h"

#include "unit.h"

static const struct pairing_rate six_a_minute = {6, 60000};

static void so_many_at_once_and_then_one_after_another(void **state) {
    uint64_t next_us = 0;
    uint32_t retry_s = 0;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_true(pairing_rate_take(six_a_minute, 1000, &next_us, &retry_s));
    assert_false(pairing_rate_take(six_a_minute, 1000, &next_us, &retry_s));
    assert_int_equal(retry_s, 10);
    assert_false(pairing_rate_take(six_a_minute, 10999, &next_us, &retry_s));
    assert_int_equal(retry_s, 1);
    assert_true(pairing_rate_take(six_a_minute, 11000, &next_us, &retry_s));
    assert_false(pairing_rate_take(six_a_minute, 11000, &next_us, &retry_s));
}

static void who_waits_has_all_of_it_again(void **state) {
    uint64_t next_us = 0;
    uint32_t retry_s;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_true(pairing_rate_take(six_a_minute, 1000, &next_us, &retry_s));
    assert_false(pairing_rate_is_rested(next_us, 60999));
    assert_true(pairing_rate_is_rested(next_us, 61000));
    for (unsigned i = 0; i < 6; i++)
        assert_true(pairing_rate_take(six_a_minute, 61000, &next_us, &retry_s));
}

static void none_is_any_number(void **state) {
    uint64_t next_us = 0;
    uint32_t retry_s;

    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        assert_true(pairing_rate_take((struct pairing_rate){0}, 1, &next_us, &retry_s));
    assert_true(pairing_rate_is_rested(next_us, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_at_once_and_then_one_after_another),
        cmocka_unit_test(who_waits_has_all_of_it_again),
        cmocka_unit_test(none_is_any_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
