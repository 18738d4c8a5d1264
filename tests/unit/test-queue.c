#include "fleet/desk/queue.h"

#include <errno.h>

#include "unit.h"

static struct queue queue;
static struct thing {
    struct turn turn;
    char name;
} things[64];
static size_t n_things;

static int begin(void **state) {
    (void)state;
    queue = (struct queue){.max = ARRAY_LEN(things)};
    n_things = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    while (queue_take(&queue))
        ;
    assert_int_equal(queue.n, 0);
    assert_null(queue.sources.rows); /* nothing is kept for those that are gone */
    return 0;
}

static struct thing *add(char name, const char *source) {
    struct thing *thing = &things[n_things++];

    *thing = (struct thing){.name = name};
    assert_int_equal(queue_add(&queue, &thing->turn, slice_of_string(source)), 0);
    assert_true(turn_is_waiting(&thing->turn));
    return thing;
}

static void assert_next(const char *names) {
    for (; *names; names++) {
        struct turn *turn = queue_take(&queue);

        assert_non_null(turn);
        assert_false(turn_is_waiting(turn));
        assert_int_equal(container_of(turn, struct thing, turn)->name, *names);
    }
}

static void of_one_source_the_oldest_comes_first(void **state) {
    (void)state;
    add('a', "one");
    add('b', "one");
    add('c', "one");
    assert_next("abc");
    assert_null(queue_take(&queue));
}

static void sources_take_turns_however_many_one_has(void **state) {
    (void)state;
    for (char name = 'a'; name <= 'f'; name++)
        add(name, "flood");
    add('1', "one");
    add('2', "one");
    add('X', "");
    assert_next("a1Xb2cdef");
}

static void one_that_comes_back_waits_behind_the_others(void **state) {
    (void)state;
    add('a', "one");
    add('b', "two");
    add('c', "three");
    assert_next("a");
    add('d', "one");
    assert_next("bcd");
}

static void one_that_was_removed_does_not_come(void **state) {
    struct thing *first, *middle, *last, *alone;

    (void)state;
    first = add('a', "one");
    middle = add('b', "one");
    add('c', "one");
    last = add('d', "one");
    alone = add('e', "two");
    queue_remove(&queue, &middle->turn);
    queue_remove(&queue, &middle->turn); /* once more: nothing */
    queue_remove(&queue, &last->turn);
    queue_remove(&queue, &first->turn);
    queue_remove(&queue, &alone->turn);
    assert_int_equal(queue.n, 1);
    assert_next("c");
    assert_null(queue_take(&queue));
}

static void the_source_whose_turn_it_is_may_go(void **state) {
    struct thing *current;

    (void)state;
    current = add('a', "one");
    add('b', "two");
    add('c', "three");
    queue_remove(&queue, &current->turn);
    assert_next("bc");
}

static void more_than_may_are_refused(void **state) {
    struct turn turn = {0};

    (void)state;
    queue.max = 2;
    add('a', "one");
    add('b', "two");
    assert_int_equal(queue_add(&queue, &turn, SLICE("three")), -ENOBUFS);
    assert_false(turn_is_waiting(&turn));
    assert_next("a");
    assert_int_equal(queue_add(&queue, &turn, SLICE("three")), 0);
    queue_remove(&queue, &turn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_one_source_the_oldest_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(sources_take_turns_however_many_one_has, begin, end),
        cmocka_unit_test_setup_teardown(one_that_comes_back_waits_behind_the_others, begin, end),
        cmocka_unit_test_setup_teardown(one_that_was_removed_does_not_come, begin, end),
        cmocka_unit_test_setup_teardown(the_source_whose_turn_it_is_may_go, begin, end),
        cmocka_unit_test_setup_teardown(more_than_may_are_refused, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
