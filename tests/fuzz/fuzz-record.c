/*
 * A file of the spool: what is taken for a record holds what a record may, looks into the bytes that it came from, and
 * becomes the same bytes when it is written. The first byte says whether the checksum is made right, so that what is
 * behind it is seen too.
 */
#include "fleet/spool/record.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "fleet/spool/checksum.h"
#include "fuzz.h"

#define SUM_AT 8 /* the checksum's place, and that of what it is of */
#define SUMMED_AT 12

static void require_same(const struct record *record, struct slice bytes) {
    _cleanup_close_ int fd = memfd_create("record", MFD_CLOEXEC);
    _cleanup_record_ struct slice again = SLICE_EMPTY;

    REQUIRE(record_write(fd, record) == 0 && record_map(fd, &again) == 0);
    REQUIRE(slice_equals(again, bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char bytes[4096];
    struct slice in = slice_of(bytes, size > 0 ? size - 1 : 0);
    struct record record;
    uint32_t sum;

    if (size == 0 || size > sizeof(bytes))
        return 0;
    memcpy(bytes, data + 1, in.n);
    if (data[0] & 1 && in.n >= SUMMED_AT) {
        sum = checksum_of(0, slice_from(in, SUMMED_AT));
        memcpy(bytes + SUM_AT, &sum, sizeof(sum));
    }
    if (record_parse(in, &record) < 0)
        return 0;
    REQUIRE(record.task_id.n > 0 && record.task_id.n <= LIMIT_TASK_ID && record.trace_id.n <= LIMIT_TASK_ID);
    REQUIRE(record.source_id.n <= LIMIT_TASK_ID && (unsigned)record.operation < OPERATIONS);
    REQUIRE(is_inside(record.task_id, in) && is_inside(record.trace_id, in) && is_inside(record.source_id, in));
    REQUIRE(is_inside(record.payload, in));
    require_same(&record, in);
    return 0;
}
