#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit.h"

static struct secret *made_of(struct slice bytes) {
    struct secret *s = NULL;
    int fd = -EBADF;

    assert_int_equal(secret_seal(bytes, &fd), 0);
    assert_int_equal(secret_open(fd, &s), 0);
    return s;
}

static void what_goes_in_comes_out(void **state) {
    _cleanup_secret_ struct secret *s = made_of(SLICE("k3y\0with NUL"));

    (void)state;
    assert_true(slice_equals(secret_view(s), SLICE("k3y\0with NUL")));
}

static void sizes(void **state) {
    static char bytes[LIMIT_SECRET + 1];
    _cleanup_secret_ struct secret *one = NULL, *most = NULL;
    int fd = -EBADF;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    one = made_of(slice_of(bytes, 1));
    assert_slice(secret_view(one), "x");
    most = made_of(slice_of(bytes, LIMIT_SECRET));
    assert_int_equal(secret_view(most).n, LIMIT_SECRET);
    assert_int_equal(secret_seal(slice_of(bytes, LIMIT_SECRET + 1), &fd), -EINVAL);
    assert_int_equal(secret_seal(SLICE_EMPTY, &fd), -EINVAL);
    assert_int_equal(fd, -EBADF);
}

static void the_descriptor_is_closed_on_exec(void **state) {
    _cleanup_close_ int fd = -EBADF;

    (void)state;
    assert_int_equal(secret_seal(SLICE("key"), &fd), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* It can be mapped where it was passed to, and neither written through the descriptor nor resized. */
static void nobody_changes_it(void **state) {
    _cleanup_close_ int fd = -EBADF;

    (void)state;
    assert_int_equal(secret_seal(SLICE("key"), &fd), 0);
    assert_true(write(fd, "x", 1) < 0);
    assert_true(ftruncate(fd, 100) < 0);
}

static void an_open_takes_the_descriptor_over(void **state) {
    struct secret *s = NULL;
    int ends[2], fd = -EBADF;

    (void)state;
    assert_int_equal(secret_seal(SLICE("key"), &fd), 0);
    assert_int_equal(secret_open(fd, &s), 0);
    secret_free(s);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(secret_open(ends[0], &s), -EINVAL);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    fd_close(&ends[1]);
}

static void sizes_of_a_foreign_descriptor(void **state) {
    struct secret *s = NULL;
    int fd = memfd_create("too-large", MFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, LIMIT_SECRET + 1), 0);
    assert_int_equal(secret_open(fd, &s), -EINVAL);
    assert_null(s);
}

static void equality(void **state) {
    static const struct {
        struct slice candidate;
        bool equals;
    } rows[] = {
        {SLICE("hunter2"), true},          {SLICE("hunter3"), false}, {SLICE("Hunter2"), false},
        {SLICE("hunter"), false},          {SLICE("hunter22"), false}, {SLICE(""), false},
        {SLICE("hunter2hunter2"), false},
    };
    _cleanup_secret_ struct secret *s = made_of(SLICE("hunter2"));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i].candidate, secret_equals(s, rows[i].candidate) == rows[i].equals);
}

static void freeing_nothing(void **state) {
    (void)state;
    secret_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(sizes),
        cmocka_unit_test(the_descriptor_is_closed_on_exec),
        cmocka_unit_test(nobody_changes_it),
        cmocka_unit_test(an_open_takes_the_descriptor_over),
        cmocka_unit_test(sizes_of_a_foreign_descriptor),
        cmocka_unit_test(equality),
        cmocka_unit_test(freeing_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
