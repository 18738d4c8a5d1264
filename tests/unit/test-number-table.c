#include "egress/number_table.h"

#include <errno.h>

#include "unit.h"

static struct number_table table;
static char things[100000]; /* only their addresses count */

static int begin(void **state) {
    (void)state;
    memset(&table, 0, sizeof(table));
    return 0;
}

static int end(void **state) {
    (void)state;
    number_table_done(&table);
    assert_null(table.rows);
    return 0;
}

static void put(uint32_t number, void *thing) {
    assert_int_equal(number_table_put(&table, number, thing), 0);
}

static void an_empty_one_has_nothing(void **state) {
    size_t at = 0;

    (void)state;
    assert_null(number_table_find(&table, 0));
    assert_null(number_table_each(&table, &at));
    number_table_remove(&table, 0);
}

static void what_was_put_in_is_found_until_it_is_removed(void **state) {
    static const uint32_t numbers[] = {0, 1, 2, 16, 17, 1u << 31, UINT32_MAX - 1, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        put(numbers[i], &things[i]);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_ptr_equal(number_table_find(&table, numbers[i]), &things[i]);
        assert_int_equal(number_table_put(&table, numbers[i], &things[99]), -EEXIST);
        number_table_remove(&table, numbers[i]);
        assert_null(number_table_find(&table, numbers[i]));
        for (size_t j = i + 1; j < ARRAY_LEN(numbers); j++)
            assert_ptr_equal(number_table_find(&table, numbers[j]), &things[j]);
    }
}

/* Whoever still means an old number means nothing by it. */
static void a_number_is_not_given_again(void **state) {
    uint32_t number;

    (void)state;
    for (uint32_t i = 0; i < sizeof(things); i++) {
        assert_int_equal(number_table_give(&table, &things[i], &number), 0);
        assert_int_equal(number, i);
        number_table_remove(&table, number);
    }
    assert_null(number_table_find(&table, 0));
}

/* After 2^32 of them; and then one that is still in use is passed over. */
static void numbers_go_round(void **state) {
    uint32_t number;

    (void)state;
    put(0, &things[0]);
    put(1, &things[1]);
    table.next = UINT32_MAX;
    assert_int_equal(number_table_give(&table, &things[2], &number), 0);
    assert_int_equal(number, UINT32_MAX);
    assert_int_equal(number_table_give(&table, &things[3], &number), 0);
    assert_int_equal(number, 2);
    assert_ptr_equal(number_table_find(&table, 0), &things[0]);
    assert_ptr_equal(number_table_find(&table, 1), &things[1]);
}

/* Many come and go in every order: none is lost, and room that is not needed is given back. */
static void it_grows_and_shrinks(void **state) {
    enum { MANY = 10000, FEW = 10 };
    uint32_t number;
    size_t most, at = 0, n = 0;

    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(number_table_give(&table, &things[i], &number), 0);
    most = table.n_rows;
    for (uint32_t i = 0; i < MANY; i++) /* 7919 is no divisor: each of them once */
        if (i * 7919 % MANY >= FEW)
            number_table_remove(&table, i * 7919 % MANY);
    assert_int_equal(table.n, FEW);
    assert_true(table.n_rows <= most / 64);
    for (uint32_t i = 0; i < FEW; i++)
        assert_ptr_equal(number_table_find(&table, i), &things[i]);
    while (number_table_each(&table, &at))
        n++;
    assert_int_equal(n, FEW);
}

/* As a runner does for months: its memory is that of those that are there. */
static void it_stays_small_however_many_come_and_go(void **state) {
    enum { AT_ONCE = 100 };
    uint32_t number;

    (void)state;
    for (uint32_t i = 0; i < sizeof(things); i++) {
        assert_int_equal(number_table_give(&table, &things[i], &number), 0);
        if (i >= AT_ONCE) {
            assert_ptr_equal(number_table_find(&table, i - AT_ONCE), &things[i - AT_ONCE]);
            number_table_remove(&table, i - AT_ONCE);
        }
        assert_true(table.n_rows <= 512);
    }
    assert_int_equal(table.n, AT_ONCE);
}

/* Numbers that share their home, and go in the middle of the others. */
static void neighbours_close_up(void **state) {
    (void)state;
    for (uint32_t gone = 0; gone < 8; gone++) {
        for (uint32_t i = 0; i < 8; i++)
            put(i << 28 | 5, &things[i]);
        number_table_remove(&table, gone << 28 | 5);
        for (uint32_t i = 0; i < 8; i++)
            assert_ptr_equal(number_table_find(&table, i << 28 | 5), i == gone ? NULL : &things[i]);
        for (uint32_t i = 0; i < 8; i++)
            number_table_remove(&table, i << 28 | 5);
        assert_int_equal(table.n, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_empty_one_has_nothing),    TEST(what_was_put_in_is_found_until_it_is_removed),
        TEST(a_number_is_not_given_again), TEST(numbers_go_round),
        TEST(it_grows_and_shrinks),        TEST(it_stays_small_however_many_come_and_go),
        TEST(neighbours_close_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
