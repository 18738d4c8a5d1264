#include "egress/desk/stream_table.h"

#include "unit.h"

/* Only its address counts. */
struct holder {
    int unused;
};
static struct holder alice, bob;

static void an_entry_lives_until_both_sides_are_done(void **state) {
    struct stream_table table = {0};
    struct stream_entry *entry;
    uint64_t id;

    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        entry = stream_table_add(&table, &alice, "alice", 3);
        assert_non_null(entry);
        id = entry->id;
        assert_int_not_equal(id, 0);
        assert_ptr_equal(entry->holder, &alice);
        assert_int_equal(entry->door, 3);
        assert_ptr_equal(stream_table_find(&table, id), entry);
        if (order == 0)
            stream_table_keeper_done(&table, entry);
        else
            stream_table_relay_done(&table, entry);
        assert_ptr_equal(stream_table_find(&table, id), entry);
        if (order == 0)
            stream_table_relay_done(&table, entry);
        else
            stream_table_keeper_done(&table, entry);
        assert_null(stream_table_find(&table, id));
        assert_int_equal(table.n_used, 0);
    }
    stream_table_done(&table);
}

/* A row is used again, its id never: a late word about the old stream must not hit the new one. */
static void an_id_is_never_given_twice(void **state) {
    struct stream_table table = {0};
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct stream_entry *entry = stream_table_add(&table, &alice, "alice", 0);

        assert_non_null(entry);
        assert_true(entry->id > last);
        assert_null(stream_table_find(&table, last));
        last = entry->id;
        stream_table_keeper_done(&table, entry);
        stream_table_relay_done(&table, entry);
    }
    assert_true(table.n_rows <= 16);
    stream_table_done(&table);
}

static void ids_that_were_never_given(void **state) {
    struct stream_table table = {0};
    const struct stream_entry *entry;

    (void)state;
    assert_null(stream_table_find(&table, 0));
    assert_null(stream_table_find(&table, UINT64_MAX));
    entry = stream_table_add(&table, &alice, "alice", 0);
    assert_non_null(entry);
    assert_null(stream_table_find(&table, 0));
    assert_null(stream_table_find(&table, entry->id + 1));
    assert_null(stream_table_find(&table, entry->id ^ (uint64_t)1 << 32));
    assert_null(stream_table_find(&table, entry->id ^ (uint64_t)1 << 63));
    assert_null(stream_table_find(&table, UINT64_MAX));
    stream_table_done(&table);
    assert_int_equal(table.n_rows, 0);
}

/* Entries stay where they are while the table grows, and a row that was freed is found again. */
static void growth(void **state) {
    enum { MANY = 100 };
    struct stream_table table = {0};
    struct stream_entry *entries[MANY];
    uint64_t ids[MANY];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        entries[i] = stream_table_add(&table, i % 2 ? &alice : &bob, "alice", i);
        assert_non_null(entries[i]);
        ids[i] = entries[i]->id;
    }
    assert_int_equal(table.n_used, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(stream_table_find(&table, ids[i]), entries[i]);
        assert_int_equal(entries[i]->door, i);
    }
    stream_table_keeper_done(&table, entries[40]);
    stream_table_relay_done(&table, entries[40]);
    assert_non_null(stream_table_add(&table, &alice, "alice", 7));
    assert_int_equal(table.n_used, MANY);
    assert_null(stream_table_find(&table, ids[40]));
    stream_table_done(&table);
}

static void one_relay_is_gone(void **state) {
    struct stream_table table = {0};
    struct stream_entry *hers = stream_table_add(&table, &alice, "alice", 0),
                        *his = stream_table_add(&table, &bob, "alice", 0);
    uint64_t her_id = hers->id, his_id = his->id;

    (void)state;
    stream_table_side_gone(&table, &alice);
    assert_true(hers->is_relay_done && !hers->is_keeper_done);
    assert_false(his->is_relay_done || his->is_keeper_done);
    stream_table_keeper_done(&table, hers);
    assert_null(stream_table_find(&table, her_id));
    assert_ptr_equal(stream_table_find(&table, his_id), his);
    stream_table_done(&table);
}

static void the_keeper_is_gone(void **state) {
    struct stream_table table = {0};
    struct stream_entry *hers = stream_table_add(&table, &alice, "alice", 0);
    const struct stream_entry *his = stream_table_add(&table, &bob, "alice", 0);

    (void)state;
    stream_table_relay_done(&table, hers);
    stream_table_side_gone(&table, NULL);
    assert_int_equal(table.n_used, 1);
    assert_true(his->is_keeper_done && !his->is_relay_done);
    stream_table_side_gone(&table, &bob);
    assert_int_equal(table.n_used, 0);
    stream_table_done(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_lives_until_both_sides_are_done),
        cmocka_unit_test(an_id_is_never_given_twice),
        cmocka_unit_test(ids_that_were_never_given),
        cmocka_unit_test(growth),
        cmocka_unit_test(one_relay_is_gone),
        cmocka_unit_test(the_keeper_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
