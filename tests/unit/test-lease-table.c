#include "egress/keeper/lease_table.h"

#include "egress/keeper/lease.h"
#include "unit.h"

static struct lease_table table;
static unsigned n_dropped;

/* In the place of the real one, whose connections and timers are not looked at here. */
void lease_drop(struct lease *lease) {
    assert_false(lease->is_dropped);
    lease->is_dropped = true;
    n_dropped++;
}

static int begin(void **state) {
    (void)state;
    n_dropped = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    assert_int_equal(table.identities.n, 0);
    number_table_done(&table.identities);
    return 0;
}

static void each_is_found_by_whose_and_what(void **state) {
    struct lease leases[2][3];

    (void)state;
    for (uint32_t identity = 0; identity < 2; identity++)
        for (uint32_t credential = 0; credential < 3; credential++) {
            struct lease *lease = &leases[identity][credential];

            assert_null(lease_table_find(&table, credential, identity));
            *lease = (struct lease){.credential = credential, .identity = identity};
            assert_int_equal(lease_table_add(&table, lease), 0);
        }
    for (uint32_t identity = 0; identity < 2; identity++)
        for (uint32_t credential = 0; credential < 3; credential++)
            assert_ptr_equal(lease_table_find(&table, credential, identity), &leases[identity][credential]);
    assert_null(lease_table_find(&table, 3, 0));
    assert_null(lease_table_find(&table, 0, 2));
    lease_table_drop(&table, 0);
    assert_int_equal(n_dropped, 3);
    assert_null(lease_table_find(&table, 1, 0));
    assert_ptr_equal(lease_table_find(&table, 1, 1), &leases[1][1]);
    lease_table_drop(&table, 0); /* harmless */
    lease_table_drop(&table, 1);
    assert_int_equal(n_dropped, 6);
}

/* 100,000 loans, each with an identity and a credential of its own: nothing of them stays. */
static void nothing_stays_of_those_that_were_dropped(void **state) {
    static struct lease leases[64];

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        struct lease *lease = &leases[i % 64];

        if (i >= 64)
            lease_table_drop(&table, i - 64);
        assert_int_equal(n_dropped, i >= 64 ? i - 63 : 0);
        *lease = (struct lease){.credential = i, .identity = i};
        assert_int_equal(lease_table_add(&table, lease), 0);
        assert_true(table.identities.n_rows <= 512);
    }
    for (uint32_t i = 100000 - 64; i < 100000; i++)
        lease_table_drop(&table, i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_is_found_by_whose_and_what),
        TEST(nothing_stays_of_those_that_were_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
