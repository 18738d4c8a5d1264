#include "fleet/task/task_place.h"

#include <errno.h>
#include <unistd.h>

#include "unit.h"

static void arrives_as_it_was_written(void **state) {
    const struct task_user user = {.name = "somebody", .uid = 1000, .gid = 100, .groups = {100, 27}, .n_groups = 2};
    _cleanup_free_ char *text = task_place_format("/work space", "/spool", &user, 7);
    struct task_place place;

    (void)state;
    assert_non_null(text);
    assert_int_equal(task_place_parse(slice_of_string(text), &place), 0);
    assert_slice(place.workspace, "/work space");
    assert_slice(place.spool, "/spool");
    assert_true(place.has_user);
    assert_int_equal(place.uid, 1000);
    assert_int_equal(place.gid, 100);
    assert_int_equal(place.n_groups, 3);
    assert_int_equal(place.groups[0], 100);
    assert_int_equal(place.groups[2], 7);
}

static void the_runners_own_user_has_no_number(void **state) {
    const struct task_user own = {0};
    _cleanup_free_ char *text = task_place_format("/w", "/s", &own, 7);
    struct task_place place;

    (void)state;
    assert_string_equal(text, "\n/w\n/s");
    assert_int_equal(task_place_parse(slice_of_string(text), &place), 0);
    assert_false(place.has_user);
}

static void refuses_what_would_read_otherwise(void **state) {
    static const struct slice bad[] = {
        SLICE(""),
        SLICE("\n"),
        SLICE("\n/w"),
        SLICE("\nw\n/s"),
        SLICE("\n/w\ns"),
        SLICE("\n/w\n/s\n"),
        SLICE("1\n/w\n/s"),
        SLICE("1 2\n/w\n/s"),
        SLICE(" \n/w\n/s"),
        SLICE("1 2 3x\n/w\n/s"),
        SLICE("-1 2 3\n/w\n/s"),
        SLICE("4294967295 1 1\n/w\n/s"),
        SLICE("1  2 3\n/w\n/s"),
    };
    const struct task_user own = {0};
    struct task_place place;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_row(bad[i], task_place_parse(bad[i], &place) == -EINVAL);
    assert_null(task_place_format("/a\nb", "/s", &own, 0));
    assert_null(task_place_format("/a", "/s\n", &own, 0));
}

static void finds_users_by_name(void **state) {
    struct task_user user;

    (void)state;
    assert_int_equal(task_user_find("root", &user), 0);
    assert_string_equal(user.name, "root");
    assert_int_equal(user.uid, 0);
    assert_true(user.n_groups > 0);
    assert_int_equal(task_user_find("nobody-is-called-so", &user), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrives_as_it_was_written),
        cmocka_unit_test(the_runners_own_user_has_no_number),
        cmocka_unit_test(refuses_what_would_read_otherwise),
        cmocka_unit_test(finds_users_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
