#include "secrets/source_digest.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit_fd.h"

static void is_the_digest_and_nothing_else(void **state) {
    /* of "abc": FIPS 180-4's own example */
    static const uint8_t expected[SOURCE_DIGEST] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                                    0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                                    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t digest[SOURCE_DIGEST];
    _cleanup_close_ int fd = -EBADF;
    struct stat st;

    (void)state;
    assert_int_equal(source_digest_seal(SLICE("abc"), &fd), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, SOURCE_DIGEST);
    for (unsigned i = 0; i < 2; i++) { /* by whoever gets it, each time */
        assert_int_equal(pread(fd, digest, sizeof(digest), 0), SOURCE_DIGEST);
        assert_memory_equal(digest, expected, SOURCE_DIGEST);
    }
}

static void cannot_be_changed_by_whoever_gets_it(void **state) {
    _cleanup_close_ int fd = -EBADF;

    (void)state;
    assert_int_equal(source_digest_seal(SLICE("abc"), &fd), 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_digest_and_nothing_else),
        cmocka_unit_test(cannot_be_changed_by_whoever_gets_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
