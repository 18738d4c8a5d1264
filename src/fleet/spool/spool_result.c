#include "fleet/spool/spool_result.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "fleet/spool/failure.h"

static uint64_t wall_clock_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Memory that holds a record: its bytes, the caller's, and what stands in them. 0, -EBADMSG or -errno. */
static int read_record(int fd, struct slice task_id, struct slice *ret_bytes, struct record *ret) {
    struct slice bytes = SLICE_EMPTY;
    struct record record;
    int r = record_map(fd, &bytes);

    if (r == 0)
        r = record_parse(bytes, &record);
    if (r == 0 && (record.payload.n == 0 || !slice_equals(record.task_id, task_id)))
        r = -EBADMSG;
    if (r < 0) {
        record_unmap(&bytes);
        return r;
    }
    *ret_bytes = bytes;
    *ret = record;
    return 0;
}

/* It may be anything: what cannot be moved aside is removed, and what cannot be removed is left to be replaced. */
static void set_aside(struct spool *spool, struct slice task_id, enum spool_ending ending) {
    bool is_kept = spool->n_damaged_kept < LIMIT_DAMAGED &&
                   spool_file_rename(spool->directory, task_id, ending, SPOOL_FILE_DAMAGED) == 0;

    spool->counts.damaged++;
    spool->n_damaged_kept += is_kept;
    if (!is_kept)
        (void)spool_file_remove(spool->directory, task_id, ending);
    log_warning("task %.*s: what stood in the spool for its result was no record of it%s", SLICE_ARG(task_id),
                is_kept ? "; it is kept there as .damaged" : "");
}

int spool_result_read(struct spool *spool, struct slice task_id, enum spool_ending ending, struct slice *ret_bytes,
                      struct record *ret) {
    _cleanup_close_ int fd = spool_file_open(spool->directory, task_id, ending);
    int r = fd < 0 ? fd : read_record(fd, task_id, ret_bytes, ret);

    if (r == 0 || r == -ENOENT || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
        return r;
    set_aside(spool, task_id, ending);
    return -EBADMSG;
}

/* There is room for it nowhere: spool_retry begins again. Returns `r`. */
static int fail_later(struct spool *spool, struct spool_task *task, int r) {
    if (task->state == SPOOL_BEGUN)
        spool_task_set_fault(spool, task, SPOOL_INTERRUPTED);
    return r;
}

/* Writes it; or keeps it in memory, when the disk does not take it. */
static int put_result(struct spool *spool, struct spool_task *task, const struct record *result) {
    _cleanup_close_ int memory = -EBADF;
    int r = spool_write_result(spool->directory, result), in_memory;

    if (r < 0) {
        memory = memfd_create("credfd-result", MFD_CLOEXEC);
        in_memory = memory < 0 ? -errno : record_write(memory, result);
        if (in_memory < 0)
            return fail_later(spool, task, r);
    }
    if (task->state == SPOOL_RESULT)
        spool_task_set_size(spool, task, result->payload.n);
    else
        spool_task_set_state(spool, task, SPOOL_RESULT, result->payload.n);
    spool_task_set_unwritten(spool, task, fd_steal(&memory));
    return r;
}

int spool_result_fail(struct spool *spool, struct spool_task *task, const char *error) {
    struct record record = {.at_ms = wall_clock_ms(),
                            .operation = task->operation,
                            .is_refusal = task->is_refusal,
                            .task_id = task->task_id,
                            .trace_id = task->trace_id,
                            .source_id = task->source_id};
    struct buf payload;
    int r;

    buf_init(&payload, LIMIT_RESULT);
    r = failure_write(&payload, task->task_id, task->source_id, slice_of_string(error));
    record.payload = buf_slice(&payload);
    if (r == 0)
        r = put_result(spool, task, &record);
    else
        r = fail_later(spool, task, r);
    buf_release(&payload);
    return r;
}

int spool_result_settle(struct spool *spool, struct spool_task *task, const char *error) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;
    int r = spool_result_read(spool, task->task_id, SPOOL_FILE_RESULT, &bytes, &record);

    if (r < 0)
        return spool_result_fail(spool, task, r == -ENOENT ? error : SPOOL_DAMAGED);
    spool_task_set_state(spool, task, SPOOL_RESULT, bytes.n);
    (void)spool_file_remove(spool->directory, task->task_id, SPOOL_FILE_BEGUN);
    return 0;
}

int spool_result_keep(struct spool *spool, struct spool_task *task, int memory) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;
    int r = read_record(memory, task->task_id, &bytes, &record);

    return r < 0 ? -EBADMSG : put_result(spool, task, &record);
}

int spool_result_write(struct spool *spool, struct spool_task *task) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;
    int r = read_record(task->unwritten, task->task_id, &bytes, &record);

    if (r == 0)
        r = spool_write_result(spool->directory, &record);
    if (r == 0)
        spool_task_set_unwritten(spool, task, -EBADF);
    return r;
}
