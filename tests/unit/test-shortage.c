#include "base/shortage.h"

#include <errno.h>
#include <sys/resource.h>

#include "unit.h"
#include "unit_fd.h"

static char text[SHORTAGE_TEXT];

/* The hard one, as a child may: it cannot be raised again. */
static void limit(__rlimit_resource_t resource, rlim_t to) {
    const struct rlimit limit = {to, to};

    assert_int_equal(setrlimit(resource, &limit), 0);
}

static void says_which_limit_it_is_and_where_it_stands(void **state) {
    (void)state;
    limit(RLIMIT_NOFILE, 300);
    limit(RLIMIT_MEMLOCK, 64 * 1024);
    assert_non_null(strstr(shortage_of_descriptors(text), "RLIMIT_NOFILE is 300; raise it (LimitNOFILE="));
    assert_non_null(strstr(shortage_of_locked_memory(text), "RLIMIT_MEMLOCK is 64 KiB; raise it (LimitMEMLOCK="));
    assert_non_null(strstr(shortage_of_processes(text), "RLIMIT_NPROC is "));
}

static void fits_with_the_longest_limit(void **state) {
    const struct rlimit longest = {0, RLIM_INFINITY - 1};

    (void)state;
    (void)setrlimit(RLIMIT_NPROC, &longest); /* where this user may */
    assert_non_null(strstr(shortage_of_processes(text), "kernel.pid_max"));
}

static void explains_an_error_by_its_limit(void **state) {
    (void)state;
    assert_non_null(strstr(shortage_explain(-EMFILE, text), "RLIMIT_NOFILE"));
    assert_non_null(strstr(shortage_explain(-EAGAIN, text), "RLIMIT_NPROC"));
    assert_string_equal(shortage_explain(-ENOENT, text), strerror(ENOENT));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_which_limit_it_is_and_where_it_stands),
        cmocka_unit_test(fits_with_the_longest_limit),
        cmocka_unit_test(explains_an_error_by_its_limit),
    };

    if (is_in_valgrind())
        return leave_out("valgrind keeps descriptors for itself, and tells of fewer");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
