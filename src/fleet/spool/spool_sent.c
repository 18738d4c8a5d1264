#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "fleet/beneath.h"
#include "fleet/spool/spool_result.h"

/* The file of one that was sent, with nothing in it: its name is what is remembered. What it held, or -errno. */
static void empty_sent(const struct spool *spool, struct slice task_id) {
    char name[SPOOL_NAME];
    int fd;

    spool_file_name(name, task_id, SPOOL_FILE_SENT);
    fd = beneath_open(spool->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    fd_close(&fd);
}

void spool_forget_old(struct spool *spool) {
    struct spool_task *oldest;

    while (spool->counts.remembered > LIMIT_REMEMBERED || spool->remembered_bytes > LIMIT_REMEMBERED_BYTES) {
        oldest = spool->lists[SPOOL_SENT].first;
        (void)spool_file_remove(spool->directory, oldest->task_id, SPOOL_FILE_SENT);
        spool_task_set_state(spool, oldest, SPOOL_UNKNOWN, 0);
    }
}

/* It never began: nothing is remembered of it, so that it can be asked for again. */
static void forget_refusal(struct spool *spool, struct spool_task *task) {
    (void)spool_file_remove(spool->directory, task->task_id, SPOOL_FILE_RESULT);
    (void)spool_file_remove(spool->directory, task->task_id, SPOOL_FILE_BEGUN);
    spool_task_set_state(spool, task, SPOOL_UNKNOWN, 0);
}

void spool_settle(struct spool *spool, uint64_t number, bool is_acknowledged) {
    struct spool_task *task = spool_task_by_number(spool, number);
    bool is_empty;

    if (!task)
        return;
    if (task->is_refusal) {
        forget_refusal(spool, task);
        return;
    }
    is_empty = is_acknowledged || task->unwritten >= 0 ||
               spool_file_rename(spool->directory, task->task_id, SPOOL_FILE_RESULT, SPOOL_FILE_SENT) < 0;
    if (is_empty) {
        empty_sent(spool, task->task_id);
        (void)spool_file_remove(spool->directory, task->task_id, SPOOL_FILE_RESULT);
        (void)spool_file_remove(spool->directory, task->task_id, SPOOL_FILE_BEGUN);
    }
    spool_task_set_state(spool, task, SPOOL_SENT, is_empty ? 0 : task->size);
    spool_forget_old(spool);
}

int spool_again(struct spool *spool, struct slice task_id) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct spool_task *task = spool_task_find(spool, task_id);
    struct record record;
    int r;

    if (task && task->state == SPOOL_RESULT && task->is_refusal) {
        spool_task_renumber(spool, task);
        return 0;
    }
    if (!task || task->state != SPOOL_SENT || task->size == 0)
        return -ENOENT;
    r = spool_result_read(spool, task->task_id, SPOOL_FILE_SENT, &bytes, &record);
    if (r == 0)
        r = spool_file_rename(spool->directory, task->task_id, SPOOL_FILE_SENT, SPOOL_FILE_RESULT);
    if (r < 0)
        return -ENOENT;
    /* of one from before the start only the name was known */
    spool_task_set_state(spool, task, SPOOL_UNKNOWN, 0);
    task = spool_task_add(spool, &record);
    if (!task)
        return -ENOENT; /* the file is there: it is found at the next start */
    spool_task_set_state(spool, task, SPOOL_RESULT, bytes.n);
    return 0;
}
