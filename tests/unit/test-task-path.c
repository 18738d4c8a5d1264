#include "fleet/task/task_path.h"

#include "unit.h"

static const struct {
    const char *path, *workspace, *expected;
} rows[] = {
    {"", "/w", ""},           {"a/b", "/w", "a/b"},      {"/a", "/w", "a"},      {"///a", "/w", "a"},
    {"/w", "/w", ""},         {"/w/", "/w", ""},         {"/w/a", "/w", "a"},    {"/w//a", "/w/", "a"},
    {"/wa", "/w", "wa"},      {"/w/../x", "/w", "../x"}, {"../x", "/w", "../x"}, {"/etc/passwd", "/w", "etc/passwd"},
    {"/srv/x", "/", "srv/x"}, {"/w/w/a", "/w", "w/a"},   {"w/a", "/w", "w/a"},   {"/", "/w", ""},
};

static void says_it_from_the_workspace_on(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice path = exact_copy(slice_of_string(rows[i].path));
        struct slice got = task_path(path, slice_of_string(rows[i].workspace));

        if (!slice_equals(got, slice_of_string(rows[i].expected)))
            fail_msg("%s in %s: %.*s", rows[i].path, rows[i].workspace, (int)got.n, got.p);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(says_it_from_the_workspace_on)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
