#include "fleet/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "fleet/spool/spool_result.h"

int spool_directory(const struct spool *spool) {
    return spool->directory;
}

enum spool_state spool_find(const struct spool *spool, struct slice task_id) {
    const struct spool_task *task = spool_task_find(spool, task_id);

    return task ? task->state : SPOOL_UNKNOWN;
}

int spool_accept(struct spool *spool, const struct record *begun) {
    if (spool_task_find(spool, begun->task_id))
        return WEAKENED(TWICE) ? 0 : -EEXIST;
    return spool_task_add(spool, begun) ? 0 : -ENOMEM;
}

/* One whose process has just ended; NULL when it has its result already. */
static struct spool_task *find_begun(const struct spool *spool, struct slice task_id) {
    struct spool_task *task = spool_task_find(spool, task_id);

    return task && task->state == SPOOL_BEGUN ? task : NULL;
}

int spool_finish(struct spool *spool, struct slice task_id, const char *error) {
    struct spool_task *task = find_begun(spool, task_id);

    return task ? spool_result_settle(spool, task, error ? error : "the task ended without a result") : 0;
}

int spool_keep(struct spool *spool, struct slice task_id, int record) {
    _cleanup_close_ int memory = record;
    struct spool_task *task = find_begun(spool, task_id);
    int r = task ? spool_result_keep(spool, task, memory) : 0;

    return r == -EBADMSG ? spool_result_fail(spool, task, SPOOL_DAMAGED) : r;
}

int spool_refuse(struct spool *spool, const struct record *begun, const char *error) {
    int r = spool_accept(spool, begun);

    return r < 0 ? r : spool_refuse_accepted(spool, begun->task_id, error);
}

int spool_refuse_accepted(struct spool *spool, struct slice task_id, const char *error) {
    struct spool_task *task = find_begun(spool, task_id);

    if (!task)
        return 0;
    task->is_refusal = true;
    return spool_result_fail(spool, task, error);
}

bool spool_next(const struct spool *spool, uint64_t after, struct spool_entry *ret) {
    const struct spool_task *task = spool->lists[SPOOL_RESULT].first;

    while (task && task->number <= after)
        task = task->next;
    if (!task)
        return false;
    *ret = (struct spool_entry){.number = task->number, .task_id = task->task_id, .trace_id = task->trace_id};
    return true;
}

static int open_written(struct spool *spool, struct spool_task *task) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;
    int r = spool_result_read(spool, task->task_id, SPOOL_FILE_RESULT, &bytes, &record);

    return r < 0 ? r : spool_file_open(spool->directory, task->task_id, SPOOL_FILE_RESULT);
}

static int open_unwritten(const struct spool_task *task) {
    int fd = fcntl(task->unwritten, F_DUPFD_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

int spool_open_result(struct spool *spool, uint64_t number) {
    struct spool_task *task = spool_task_by_number(spool, number);
    int r;

    if (!task)
        return -ENOENT;
    if (task->unwritten >= 0)
        return open_unwritten(task);
    r = open_written(spool, task);
    if (r != -ENOENT && r != -EBADMSG)
        return r;
    (void)spool_result_fail(spool, task, SPOOL_DAMAGED); /* since it was looked at; the hub is told */
    return task->unwritten >= 0 ? open_unwritten(task) : open_written(spool, task);
}

/* One that a supervisor before this one has begun: as long as its process lives, the result may still come. */
static void finish_left(struct spool *spool, struct spool_task *task) {
    const char *fault = task->fault;

    if (spool_file_is_held(spool->directory, task->task_id, SPOOL_FILE_BEGUN))
        return;
    spool_task_set_fault(spool, task, NULL);
    (void)spool_result_settle(spool, task, fault); /* what it has written last, it wrote before it let go */
}

bool spool_retry(struct spool *spool) {
    struct spool_task *next;

    for (struct spool_task *task = spool->n_left > 0 ? spool->lists[SPOOL_BEGUN].first : NULL; task; task = next) {
        next = task->next;
        if (task->fault)
            finish_left(spool, task);
    }
    for (struct spool_task *task = spool->n_unwritten > 0 ? spool->lists[SPOOL_RESULT].first : NULL; task;
         task = task->next)
        if (task->unwritten >= 0 && spool_result_write(spool, task) < 0)
            break; /* nor will the next one fit */
    return spool->n_left == 0 && spool->n_unwritten == 0;
}

struct spool_counts spool_counts(const struct spool *spool) {
    return spool->counts;
}

bool spool_is_full(const struct spool *spool) {
    return spool->counts.bytes >= spool->max_bytes || spool->n_unwritten > 0;
}
