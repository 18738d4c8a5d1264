#include "fleet/spool/record.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "fleet/spool/checksum.h"
#include "unit_place.h"

static const struct record whole = {.at_ms = 1700000000123,
                                    .operation = OPERATION_GREP,
                                    .task_id = {"task_1", 6},
                                    .trace_id = {"trace", 5},
                                    .source_id = {"safari", 6},
                                    .payload = {"{\"task_id\":\"task_1\"}", 20}};

static int place;

static int setup(void **state) {
    (void)state;
    place = place_begin();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    place_end(place);
    return 0;
}

static int open_file(const char *name) {
    int fd = openat(place, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

/* The bytes that `record` becomes. */
static size_t bytes_of(const struct record *record, char *to, size_t size) {
    _cleanup_close_ int fd = open_file("bytes");
    ssize_t n;

    assert_int_equal(record_write(fd, record), 0);
    n = pread(fd, to, size, 0);
    assert_true(n > 0);
    return (size_t)n;
}

static void the_checksum_is_crc_32c(void **state) {
    (void)state;
    assert_int_equal(checksum_of(0, SLICE("123456789")), 0xE3069283);
    assert_int_equal(checksum_of(checksum_of(0, SLICE("1234")), SLICE("56789")), 0xE3069283);
    assert_int_equal(checksum_of(0, SLICE_EMPTY), 0);
}

static void what_is_written_is_read(void **state) {
    _cleanup_close_ int fd = open_file("x");
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;

    (void)state;
    assert_int_equal(ftruncate(fd, 1000), 0); /* what stood there before, and was longer */
    assert_int_equal(record_write(fd, &whole), 0);
    assert_int_equal(record_map(fd, &bytes), 0);
    assert_int_equal(record_parse(bytes, &record), 0);
    assert_int_equal(record.at_ms, 1700000000123);
    assert_int_equal(record.operation, OPERATION_GREP);
    assert_slice(record.task_id, "task_1");
    assert_slice(record.trace_id, "trace");
    assert_slice(record.source_id, "safari");
    assert_slice(record.payload, "{\"task_id\":\"task_1\"}");
}

static void one_that_only_begun_has_no_payload(void **state) {
    struct record record = {.task_id = SLICE("t")};
    char bytes[512];
    size_t n = bytes_of(&record, bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(record_parse(slice_of(bytes, n), &record), 0);
    assert_int_equal(record.payload.n, 0);
    assert_int_equal(record.trace_id.n, 0);
}

static void one_that_is_cut_off_anywhere_is_none(void **state) {
    char bytes[512];
    size_t n = bytes_of(&whole, bytes, sizeof(bytes));
    struct record record;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        _cleanup_slice_ struct slice cut = exact_copy(slice_of(bytes, i));

        assert_int_equal(record_parse(cut, &record), -EBADMSG);
    }
}

static void one_with_a_damaged_bit_or_more_behind_it_is_none(void **state) {
    char bytes[512];
    size_t n = bytes_of(&whole, bytes, sizeof(bytes) - 1);
    struct record record;

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            assert_int_equal(record_parse(slice_of(bytes, n), &record), -EBADMSG);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    bytes[n] = '\0';
    assert_int_equal(record_parse(slice_of(bytes, n + 1), &record), -EBADMSG);
    assert_int_equal(record_parse(slice_of(bytes, n), &record), 0);
}

/* The checksum is no defence: what says it right is still judged. */
static void a_length_beyond_the_end_is_refused_with_a_right_checksum(void **state) {
    char bytes[512];
    size_t n = bytes_of(&whole, bytes, sizeof(bytes)), at = 8 + 4 + 1 + 1 + 8;
    struct record record;
    uint32_t sum;

    (void)state;
    for (unsigned length = 0; length < 256; length++) {
        bytes[at] = (char)length;
        bytes[at + 3] = length == 255 ? '\xff' : '\0';
        sum = checksum_of(0, slice_of(bytes + 12, n - 12));
        memcpy(bytes + 8, &sum, sizeof(sum));
        assert_int_equal(record_parse(slice_of(bytes, n), &record), length == 6 ? 0 : -EBADMSG);
    }
}

static void what_no_record_may_hold_is_not_written(void **state) {
    _cleanup_close_ int fd = open_file("x");
    static char long_id[LIMIT_TASK_ID + 1];
    struct record record = whole;

    (void)state;
    memset(long_id, 'x', sizeof(long_id));
    record.task_id = SLICE_EMPTY;
    assert_int_equal(record_write(fd, &record), -EINVAL);
    record.task_id = SLICE("a b");
    assert_int_equal(record_write(fd, &record), -EINVAL);
    record.task_id = slice_of(long_id, sizeof(long_id));
    assert_int_equal(record_write(fd, &record), -EINVAL);
    record.task_id = slice_of(long_id, LIMIT_TASK_ID);
    assert_int_equal(record_write(fd, &record), 0);
    record.trace_id = slice_of(long_id, sizeof(long_id));
    assert_int_equal(record_write(fd, &record), -EINVAL);
}

static void only_a_file_of_a_fit_size_is_read(void **state) {
    _cleanup_close_ int fd = open_file("x"), directory = openat(place, ".", O_RDONLY | O_CLOEXEC), pipe_end = -EBADF;
    struct slice bytes;
    int ends[2];

    (void)state;
    assert_int_equal(record_map(fd, &bytes), -EBADMSG); /* empty */
    assert_int_equal(ftruncate(fd, LIMIT_RECORD + 1), 0);
    assert_int_equal(record_map(fd, &bytes), -EFBIG);
    assert_int_equal(record_map(directory, &bytes), -EBADMSG);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pipe_end = ends[0];
    assert_int_equal(record_map(pipe_end, &bytes), -EBADMSG);
    (void)close(ends[1]);
}

static void memory_holds_one_as_well(void **state) {
    _cleanup_close_ int fd = memfd_create("record", MFD_CLOEXEC);
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;

    (void)state;
    assert_int_equal(record_write(fd, &whole), 0);
    assert_int_equal(record_map(fd, &bytes), 0);
    assert_int_equal(ftruncate(fd, 0), 0); /* who cuts it off cuts nothing under the reader */
    assert_int_equal(record_parse(bytes, &record), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_crc_32c),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_only_begun_has_no_payload, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_cut_off_anywhere_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(one_with_a_damaged_bit_or_more_behind_it_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_length_beyond_the_end_is_refused_with_a_right_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(what_no_record_may_hold_is_not_written, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_file_of_a_fit_size_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_holds_one_as_well, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
