#include "proc/place.h"

#include <errno.h>
#include <limits.h>

#include "unit.h"

/* This test is built as if programs were installed where it lies; the other case is seen end to end. */
static void goes_where_things_are_installed(void **state) {
    char path[PATH_MAX];

    (void)state;
    assert_int_equal(place_find("/usr/share/credfd", path, sizeof(path)), 0);
    assert_string_equal(path, "/usr/share/credfd");
}

static void cuts_no_path(void **state) {
    char path[] = "untouched";

    (void)state;
    assert_int_equal(place_find("/usr", path, 5), 0);
    assert_string_equal(path, "/usr");
    assert_int_equal(place_find("/usr/", path, 5), -ENAMETOOLONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_where_things_are_installed),
        cmocka_unit_test(cuts_no_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
