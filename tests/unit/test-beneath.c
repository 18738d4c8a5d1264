#include "fleet/beneath.h"

#include "unit_fd.h"
#include "unit_place.h"

static int place;

static int setup(void **state) {
    (void)state;
    place = place_begin();
    place_mkdir(place, "in");
    place_write(place, "in/file", SLICE("x"));
    assert_int_equal(symlinkat("in/file", place, "inside"), 0);
    assert_int_equal(symlinkat("../..", place, "in/out"), 0);
    assert_int_equal(symlinkat("/etc/passwd", place, "absolute"), 0);
    assert_int_equal(symlinkat("loop", place, "loop"), 0);
    assert_int_equal(mkfifoat(place, "fifo", 0600), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    place_end(place);
    return 0;
}

static void a_path_stays_beneath(void **state) {
    static const struct {
        const char *path;
        int error;
    } rows[] = {
        {"in/file", 0},         {"inside", 0},          {"in/../in/file", 0},    {"in/./file", 0},
        {"../x", -EXDEV},       {"in/../../x", -EXDEV}, {"/etc/passwd", -EXDEV}, {"absolute", -EXDEV},
        {"in/out/etc", -EXDEV}, {"loop", -ELOOP},       {"none", -ENOENT},       {"in/file/x", -ENOTDIR},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_close_ int fd = beneath_open(place, rows[i].path, O_RDONLY, 0);

        if (rows[i].error < 0 ? fd != rows[i].error : fd < 0)
            fail_msg("%s: %d", rows[i].path, fd);
    }
}

static void only_a_regular_file_is_opened_for_reading(void **state) {
    struct stat st;
    int fd = beneath_open_regular(place, "in/file", O_NOFOLLOW, &st);

    (void)state;
    assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    assert_int_equal(st.st_size, 1);
    (void)close(fd);
    assert_int_equal(beneath_open_regular(place, "in", 0, &st), -EISDIR);
    assert_int_equal(beneath_open_regular(place, "fifo", 0, &st), -EINVAL); /* and nobody has waited */
    fd = beneath_open_regular(place, "inside", 0, &st);
    assert_true(fd >= 0);
    (void)close(fd);
    fd = beneath_open_regular(place, "inside", O_NOFOLLOW, &st);
    assert_true(fd == -EINVAL || fd == -ELOOP); /* the link itself */
}

static void a_magic_link_is_not_followed(void **state) {
    _cleanup_close_ int root = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(beneath_open(root, "cwd", O_RDONLY, 0), -ELOOP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_stays_beneath, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_regular_file_is_opened_for_reading, setup, teardown),
        cmocka_unit_test(a_magic_link_is_not_followed),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
