#include "fleet/order.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "unit_fd.h"

/* What a sealed order holds, in memory of exactly its size. */
static struct slice read_sealed(int fd) {
    struct slice bytes;
    struct stat st;
    char *mapped;

    assert_int_equal(fstat(fd, &st), 0);
    mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    bytes = exact_copy(slice_of(mapped, (size_t)st.st_size));
    (void)munmap(mapped, (size_t)st.st_size);
    return bytes;
}

static struct slice seal(const struct order *order) {
    _cleanup_close_ int fd = order_seal(order);

    assert_true(fd >= 0);
    return read_sealed(fd);
}

static struct order_variable variables[] = {{SLICE("HOME"), SLICE("/root")}, {SLICE("EMPTY"), SLICE("")}};
static struct slice globs[] = {SLICE("*.c"), SLICE("*.h")};
static const struct order everything = {
    .operation = OPERATION_LIST,
    .command = SLICE("echo 'x'"),
    .workdir = SLICE("src"),
    .timeout_ms = 5000,
    .variables = variables,
    .n_variables = 2,
    .path = SLICE("a/b"),
    .offset = 1ULL << 40,
    .limit = 7,
    .content = SLICE("\0\1\2\xff"),
    .is_recursive = true,
    .pattern = SLICE("x.*y"),
    .globs = globs,
    .n_globs = 2,
};

static void what_goes_in_comes_out(void **state) {
    _cleanup_slice_ struct slice bytes = seal(&everything);
    struct order got;

    (void)state;
    assert_int_equal(order_parse(bytes, &got), 0);
    assert_int_equal(got.operation, OPERATION_LIST);
    assert_slice(got.command, "echo 'x'");
    assert_slice(got.workdir, "src");
    assert_slice(got.path, "a/b");
    assert_slice(got.pattern, "x.*y");
    assert_true(slice_equals(got.content, everything.content));
    assert_int_equal(got.timeout_ms, 5000);
    assert_int_equal(got.offset, 1ULL << 40);
    assert_int_equal(got.limit, 7);
    assert_true(got.is_recursive);
    assert_int_equal(got.n_variables, 2);
    assert_slice(got.variables[0].name, "HOME");
    assert_slice(got.variables[1].value, "");
    assert_int_equal(got.n_globs, 2);
    assert_slice(got.globs[1], "*.h");
    order_done(&got);
}

/* Whoever has it may read it, from its beginning, and nobody may change it. */
static void it_cannot_be_changed(void **state) {
    _cleanup_close_ int fd = order_seal(&everything);
    char byte;

    (void)state;
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'c');
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void what_is_cut_or_goes_on_is_refused(void **state) {
    _cleanup_slice_ struct slice bytes = seal(&everything);
    char *longer = malloc(bytes.n + 1);
    struct order got;

    (void)state;
    for (size_t n = 0; n < bytes.n; n++) {
        _cleanup_slice_ struct slice part = exact_copy(slice_first(bytes, n));

        assert_int_equal(order_parse(part, &got), -EBADMSG);
        order_done(&got);
    }
    assert_non_null(longer);
    memcpy(longer, bytes.p, bytes.n);
    longer[bytes.n] = 0;
    assert_int_equal(order_parse(slice_of(longer, bytes.n + 1), &got), -EBADMSG);
    order_done(&got);
    free(longer);
}

/* Whichever byte is another one: what comes out looks into the bytes and keeps to the limits, or nothing does. */
static void no_byte_of_it_is_believed(void **state) {
    _cleanup_slice_ struct slice bytes = seal(&everything);
    char *copy = malloc(bytes.n);

    (void)state;
    assert_non_null(copy);
    for (size_t i = 0; i < bytes.n; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct order got;

            memcpy(copy, bytes.p, bytes.n);
            copy[i] = (char)(copy[i] ^ (1 << bit));
            if (order_parse(slice_of(copy, bytes.n), &got) == 0) {
                assert_true(got.operation < OPERATION_UNKNOWN);
                assert_true(got.n_variables <= LIMIT_TASK_VARIABLES && got.n_globs <= LIMIT_TASK_GLOBS);
            }
            order_done(&got);
        }
    free(copy);
}

static void operations_have_names(void **state) {
    (void)state;
    for (unsigned i = 0; i < OPERATION_UNKNOWN; i++)
        assert_int_equal(operation_by_name(slice_of_string(operation_name((enum operation)i))), i);
    assert_int_equal(operation_by_name(SLICE("unknown")), OPERATION_UNKNOWN);
    assert_int_equal(operation_by_name(SLICE("bas")), OPERATION_UNKNOWN);
    assert_int_equal(operation_by_name(SLICE("bash\0")), OPERATION_UNKNOWN);
    assert_int_equal(operation_by_name(SLICE_EMPTY), OPERATION_UNKNOWN);
    assert_string_equal(operation_name(OPERATION_UNKNOWN), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(it_cannot_be_changed),
        cmocka_unit_test(what_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(no_byte_of_it_is_believed),
        cmocka_unit_test(operations_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
