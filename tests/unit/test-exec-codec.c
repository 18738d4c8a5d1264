#include "fleet/task/exec_codec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "fleet/sealed.h"
#include "unit.h"

static const struct exec_request request = {
    .command = SLICE("echo x"), .workdir = SLICE("sub"), .environment = SLICE("A=1\0B=2\0"), .n_environment = 2};

/* The caller's. */
static struct slice sealed(const struct exec_request *of) {
    _cleanup_close_ int fd = exec_request_seal(of);
    struct slice bytes = SLICE_EMPTY;

    assert_true(fd >= 0);
    assert_int_equal(sealed_map(fd, LIMIT_FRAME, &bytes), 0);
    return bytes;
}

static void arrives_as_it_was_sent(void **state) {
    _cleanup_sealed_ struct slice bytes = sealed(&request);
    struct exec_request got;

    (void)state;
    assert_int_equal(exec_request_parse(bytes, &got), 0);
    assert_string_equal(got.command.p, "echo x");
    assert_string_equal(got.workdir.p, "sub");
    assert_true(slice_equals(got.environment, request.environment));
    assert_int_equal(got.n_environment, 2);
}

static void empty_parts_are_fine(void **state) {
    const struct exec_request none = {.command = SLICE(""), .workdir = SLICE(""), .environment = SLICE("")};
    _cleanup_sealed_ struct slice bytes = sealed(&none);
    struct exec_request got;

    (void)state;
    assert_int_equal(exec_request_parse(bytes, &got), 0);
    assert_string_equal(got.command.p, "");
    assert_int_equal(got.n_environment, 0);
}

static void what_is_cut_or_longer_is_malformed(void **state) {
    _cleanup_sealed_ struct slice bytes = sealed(&request);
    char longer[256];
    struct exec_request got;

    (void)state;
    for (size_t n = 0; n < bytes.n; n++) {
        _cleanup_slice_ struct slice copy = exact_copy(slice_first(bytes, n));

        assert_int_equal(exec_request_parse(copy, &got), -EBADMSG);
    }
    memcpy(longer, bytes.p, bytes.n);
    longer[bytes.n] = '\0';
    assert_int_equal(exec_request_parse(slice_of(longer, bytes.n + 1), &got), -EBADMSG);
}

static void lengths_that_lie_are_malformed(void **state) {
    _cleanup_sealed_ struct slice bytes = sealed(&request);
    struct exec_request got;

    (void)state;
    for (size_t at = 0; at < 32; at++) {
        _cleanup_slice_ struct slice copy = exact_copy(bytes);
        union {
            const char *from;
            char *to;
        } memory = {copy.p};

        memory.to[at] = (char)(memory.to[at] ^ 0x81);
        assert_int_equal(exec_request_parse(copy, &got), -EBADMSG);
    }
}

static void a_nul_within_is_malformed(void **state) {
    const struct exec_request bad = {.command = SLICE("a\0b"), .workdir = SLICE(""), .environment = SLICE("")};
    const struct exec_request open = {
        .command = SLICE("a"), .workdir = SLICE(""), .environment = SLICE("A=1\0B=2"), .n_environment = 2};
    _cleanup_sealed_ struct slice first = sealed(&bad), second = sealed(&open);
    struct exec_request got;

    (void)state;
    assert_int_equal(exec_request_parse(first, &got), -EBADMSG);
    assert_int_equal(exec_request_parse(second, &got), -EBADMSG);
}

static void memory_that_can_change_is_not_looked_at(void **state) {
    _cleanup_close_ int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct slice bytes = SLICE_EMPTY;

    (void)state;
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(sealed_map(fd, 10, &bytes), -EBADMSG);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_int_equal(sealed_map(fd, 10, &bytes), -EBADMSG);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_int_equal(sealed_map(fd, 0, &bytes), -EBADMSG);
    assert_int_equal(sealed_map(fd, 1, &bytes), 0);
    sealed_unmap(&bytes);
    assert_int_equal(bytes.n, 0);
    sealed_unmap(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrives_as_it_was_sent),
        cmocka_unit_test(empty_parts_are_fine),
        cmocka_unit_test(what_is_cut_or_longer_is_malformed),
        cmocka_unit_test(lengths_that_lie_are_malformed),
        cmocka_unit_test(a_nul_within_is_malformed),
        cmocka_unit_test(memory_that_can_change_is_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
