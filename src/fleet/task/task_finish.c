#include "fleet/task/task_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "fleet/spool/spool.h"
#include "fleet/task/task_result.h"
#include "proc/role.h"

#define ERROR_MAX ((size_t)LIMIT_RESULT / 8) /* of a sentence, which may hold a command: escaped it still fits */

static uint64_t now_since_1970_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct record make_record(const struct task *task, struct slice payload) {
    return (struct record){.at_ms = now_since_1970_ms(),
                           .operation = task->operation,
                           .task_id = slice_of_string(task->task_id),
                           .trace_id = slice_of_string(task->trace_id),
                           .source_id = slice_of_string(task->source_id),
                           .payload = payload};
}

int task_write_begun(struct task *task) {
    struct record begun = make_record(task, SLICE_EMPTY);
    int fd = spool_write_begun(task->spool, &begun);

    if (fd < 0)
        return fd;
    task->begun = fd;
    return 0;
}

static int write_payload(const struct task *task, struct slice error, struct slice files, struct buf *to) {
    const struct task_facts facts = {
        .task_id = slice_of_string(task->task_id),
        .source_id = slice_of_string(task->source_id),
        .error = error,
        .files = files,
        .outputs = task->has_run ? task->outputs : NULL,
        .exit_code = task->wait_status >= 0 ? task_exit_code(task->wait_status) : -1,
    };

    return task_result_write(to, &facts);
}

/* Larger than what may be sent, or than what memory there is: then that is the result. */
static int write_short_payload(const struct task *task, int error, struct buf *to) {
    const struct task_facts facts = {
        .task_id = slice_of_string(task->task_id),
        .source_id = slice_of_string(task->source_id),
        .error = error == -ENOBUFS ? SLICE("task failed: its result is too large")
                                   : SLICE("task failed: there is no memory for its result"),
    };

    buf_release(to);
    return task_result_write(to, &facts);
}

/* Where the disk does not take it, the supervisor holds it in memory until it does. */
static int in_memory(const struct record *record) {
    _cleanup_close_ int fd = memfd_create("credfd-result", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : record_write(fd, record);

    return r < 0 ? r : fd_steal(&fd);
}

static void tell_done(const struct task *task, enum task_outcome outcome, int record) {
    struct ipc_writer w = ipc_begin(IPC_TASK_DONE);
    uint64_t ran_ms = task->began_ms > 0 ? loop_now_ms() - task->began_ms : 0;

    ipc_put_u8(&w, (uint8_t)outcome);
    ipc_put_u32(&w, task->wait_status >= 0 ? (uint32_t)task_exit_code(task->wait_status) : 0);
    ipc_put_u64(&w, ran_ms);
    ipc_put_u64(&w, task->outputs[TASK_STDOUT].total + task->outputs[TASK_STDERR].total);
    role_send(&w, record);
}

void task_finish(struct task *task, enum task_outcome outcome, struct slice error, struct slice files) {
    _cleanup_close_ int memory = -EBADF;
    struct record result;
    struct buf payload;
    int r;

    if (task->wait == WAIT_CLOSE)
        return;
    task_set_wait(task, WAIT_CLOSE, 0);
    buf_init(&payload, LIMIT_RESULT);
    r = write_payload(task, error, files, &payload);
    if (r < 0)
        r = write_short_payload(task, r, &payload);
    result = make_record(task, buf_slice(&payload));
    if (r == 0)
        r = spool_write_result(task->spool, &result);
    if (r < 0) {
        log_warning("the result could not be written: %s", strerror(-r));
        memory = in_memory(&result);
    }
    buf_release(&payload);
    tell_done(task, outcome, memory);
    loop_stop();
}

void task_finish_saying(struct task *task, enum task_outcome outcome, const char *format, ...) {
    _cleanup_free_ char *sentence = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&sentence, format, arguments) < 0)
        sentence = NULL;
    va_end(arguments);
    task_finish(task, outcome, sentence ? slice_of_string(sentence) : SLICE("task failed: no memory"), SLICE_EMPTY);
}

void task_finish_stopped(struct task *task) {
    struct buf error;

    buf_init(&error, ERROR_MAX);
    if (task_describe_stop(task, &error) == 0)
        task_finish(task, task->stopping, buf_slice(&error), SLICE_EMPTY);
    else
        task_finish(task, task->stopping, SLICE("task cancelled"), SLICE_EMPTY);
    buf_release(&error);
}
