#include "base/name_index.h"

#include <stdio.h>

#include "unit.h"

#define THINGS 1000 /* more than the rows that it begins with */

static struct thing {
    struct name_place place;
    char name[16];
} things[THINGS];

static struct name_index name_index;

static struct slice name_of(const struct thing *thing) {
    return slice_of_string(thing->name);
}

static int begin(void **state) {
    (void)state;
    name_index = (struct name_index){0};
    for (size_t i = 0; i < THINGS; i++) {
        things[i] = (struct thing){0};
        (void)snprintf(things[i].name, sizeof(things[i].name), "thing-%zu", i);
        assert_int_equal(name_index_add(&name_index, &things[i].place, name_of(&things[i])), 0);
    }
    return 0;
}

static int end(void **state) {
    (void)state;
    name_index_done(&name_index);
    return 0;
}

static void each_is_found_by_its_name_and_by_no_other(void **state) {
    (void)state;
    assert_int_equal(name_index.n, THINGS);
    for (size_t i = 0; i < THINGS; i++)
        assert_ptr_equal(name_index_find(&name_index, name_of(&things[i])), &things[i].place);
    assert_null(name_index_find(&name_index, SLICE("thing-")));
    assert_null(name_index_find(&name_index, SLICE("thing-1000")));
    assert_null(name_index_find(&name_index, SLICE_EMPTY));
}

static void what_was_removed_is_gone_and_the_others_stay(void **state) {
    (void)state;
    for (size_t i = 0; i < THINGS; i += 2)
        name_index_remove(&name_index, &things[i].place);
    name_index_remove(&name_index, &things[0].place); /* once more: nothing */
    assert_int_equal(name_index.n, THINGS / 2);
    for (size_t i = 0; i < THINGS; i++)
        assert_ptr_equal(name_index_find(&name_index, name_of(&things[i])), i % 2 == 0 ? NULL : &things[i].place);
}

static void an_empty_one_has_nothing_and_an_empty_name_is_one(void **state) {
    struct name_index empty = {0};
    struct name_place place = {0};

    (void)state;
    assert_null(name_index_find(&empty, SLICE("thing-1")));
    name_index_remove(&empty, &place);
    assert_int_equal(name_index_add(&empty, &place, SLICE_EMPTY), 0);
    assert_ptr_equal(name_index_find(&empty, SLICE_EMPTY), &place);
    name_index_done(&empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_found_by_its_name_and_by_no_other, begin, end),
        cmocka_unit_test_setup_teardown(what_was_removed_is_gone_and_the_others_stay, begin, end),
        cmocka_unit_test(an_empty_one_has_nothing_and_an_empty_name_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
