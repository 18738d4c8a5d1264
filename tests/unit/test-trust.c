#include "names/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "egress/desk/certificates.h"
#include "unit_fd.h"

#define PATH_FORM "/tmp/credfd-trust-XXXXXX"
static char path[sizeof(PATH_FORM)];
static int number_before;

static void write_file(const char *text) {
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static int begin(void **state) {
    int fd;

    (void)state;
    number_before = next_number();
    memcpy(path, PATH_FORM, sizeof(path));
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    write_file("certificates");
    assert_int_equal(unsetenv("SSL_CERT_FILE") | unsetenv("SSL_CERT_DIR"), 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(next_number(), number_before);
    return 0;
}

static void check_copy(int fd, const char *expected) {
    struct slice bytes;

    assert_int_equal(trust_map(fd, &bytes), 0);
    assert_slice(bytes, expected);
    trust_unmap(&bytes);
    assert_int_equal(bytes.n, 0);
}

/* Whoever may write the file by then has no say in it. */
static void a_copy_stays_what_it_was(void **state) {
    int fd;

    (void)state;
    assert_int_equal(trust_copy(path, &fd), 0);
    write_file("of somebody else");
    check_copy(fd, "certificates");
    assert_true(write(fd, "x", 1) < 0);
    assert_true(ftruncate(fd, 0) < 0);
    assert_int_equal(close(fd), 0);
}

static void what_is_no_file_of_certificates(void **state) {
    int fd = -EBADF, large = open(path, O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(trust_copy("/nowhere/at/all", &fd), -ENOENT);
    assert_int_equal(trust_copy("/tmp", &fd), -EINVAL);
    assert_int_equal(trust_copy("/dev/zero", &fd), -EINVAL);
    assert_true(large >= 0);
    assert_int_equal(ftruncate(large, LIMIT_CA_FILE + 1), 0);
    assert_int_equal(close(large), 0);
    assert_int_equal(trust_copy(path, &fd), -EINVAL);
    assert_int_equal(fd, -EBADF);
}

static void the_environment_names_others(void **state) {
    char *error = NULL;
    int fd = 0;

    (void)state;
    assert_int_equal(trust_copy_named(&fd, &error), 0);
    assert_int_equal(fd, -EBADF);
    assert_null(trust_named_directory());
    assert_int_equal(setenv("SSL_CERT_FILE", path, 1) | setenv("SSL_CERT_DIR", "/certificates", 1), 0);
    assert_int_equal(trust_copy_named(&fd, &error), 0);
    check_copy(fd, "certificates");
    assert_int_equal(close(fd), 0);
    assert_string_equal(trust_named_directory(), "/certificates");
    assert_int_equal(setenv("SSL_CERT_FILE", "", 1) | setenv("SSL_CERT_DIR", "", 1), 0);
    assert_int_equal(trust_copy_named(&fd, &error), 0);
    assert_int_equal(fd, -EBADF);
    assert_null(trust_named_directory());
    assert_int_equal(setenv("SSL_CERT_FILE", "/nowhere", 1), 0);
    assert_int_equal(trust_copy_named(&fd, &error), -ENOENT);
    assert_string_equal(error, "SSL_CERT_FILE: /nowhere: No such file or directory; unset it, or name a file of "
                               "certificates");
    free(error);
}

/* The system's bundle is its directory once more, and is not read. */
static void the_systems_own_bundle_is_left_alone(void **state) {
    char *error = NULL;
    int fd = 0;

    (void)state;
    assert_int_equal(setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1), 0);
    assert_int_equal(trust_copy_named(&fd, &error), 0);
    assert_int_equal(fd, -EBADF);
}

/* A thousand loans with the same terms cost one descriptor. */
static void one_copy_serves_all_of_one_file(void **state) {
    struct certificates *shelf = NULL, *first, *again, *changed;

    (void)state;
    assert_int_equal(certificates_get(&shelf, path, &first), 0);
    assert_int_equal(certificates_get(&shelf, path, &again), 0);
    assert_ptr_equal(first, again);
    write_file("renewed certificates");
    assert_int_equal(certificates_get(&shelf, path, &changed), 0);
    assert_ptr_not_equal(first, changed);
    check_copy(certificates_fd(first), "certificates");
    check_copy(certificates_fd(changed), "renewed certificates");
    certificates_unref(first);
    check_copy(certificates_fd(again), "certificates");
    certificates_unref(again);
    certificates_unref(changed);
    certificates_unref(NULL);
    assert_null(shelf);
    assert_int_equal(certificates_fd(NULL), -EBADF);
    assert_int_equal(certificates_get(&shelf, "/nowhere", &first), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_copy_stays_what_it_was),        TEST(what_is_no_file_of_certificates),
        TEST(the_environment_names_others),    TEST(the_systems_own_bundle_is_left_alone),
        TEST(one_copy_serves_all_of_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
