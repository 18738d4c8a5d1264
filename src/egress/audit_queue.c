#include "egress/audit_queue.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

void audit_queue_init(struct audit_queue *queue, struct audit_target *target, bool continues_on_error) {
    *queue = (struct audit_queue){.target = target, .continues_on_error = continues_on_error};
    buf_init(&queue->waiting, LIMIT_AUDIT_QUEUE);
}

static void note_failure(struct audit_queue *queue, int error) {
    if (queue->is_failing)
        return;
    queue->is_failing = true;
    log_error("audit: %s: cannot be written: %s; %s", queue->target->name, strerror(-error),
              queue->continues_on_error ? "lines are lost until it can" : "requests are refused until it can");
}

static void note_success(struct audit_queue *queue) {
    if (!queue->is_failing)
        return;
    log_warning("audit: %s: can be written again; lines late: %" PRIu64 ", lost: %" PRIu64, queue->target->name,
                queue->n_late, queue->n_lost);
    queue->is_failing = false;
    queue->n_lost = queue->n_late = 0;
}

/* The last place that there is. Whole: the log would cut it. */
static void write_to_standard_error(struct slice lines) {
    int r = 0;

    while (r == 0 && lines.n > 0) { /* a piece at a time: whoever reads slowly still gets all of it */
        size_t written;

        r = audit_stream_write(STDERR_FILENO, slice_first(lines, LIMIT_READ), true, &written);
        lines = slice_from(lines, written); /* a failure has nowhere left to be said */
    }
}

/* Whoever is refused can ask again as fast as they like. */
static bool is_too_many(const struct audit_queue *queue, size_t n) {
    return buf_length(&queue->waiting) + n > LIMIT_AUDIT_QUEUE / 2;
}

static void keep(struct audit_queue *queue, struct slice line, bool is_spare) {
    if (is_spare && is_too_many(queue, line.n)) {
        queue->n_lost++;
        return;
    }
    queue->n_late++;
    if (buf_append(&queue->waiting, line) == 0)
        return;
    log_error("audit: %s: no room for another line that waits; it is:", queue->target->name);
    write_to_standard_error(line);
}

static int write_now(struct audit_queue *queue, char *line, size_t n) {
    /* it had its chance to be in time: a target that fails does not hold up everything else once a line */
    int r = queue->target->kind->write(queue->target, line, n, !queue->is_failing);

    if (r < 0)
        note_failure(queue, r);
    return r;
}

int audit_queue_flush(struct audit_queue *queue) {
    if (!audit_queue_is_waiting(queue))
        return 0;
    while (audit_queue_is_waiting(queue)) {
        char *line = queue->waiting.memory + queue->waiting.start;
        size_t n = slice_index(buf_slice(&queue->waiting), '\n') + 1;
        int r = write_now(queue, line, n);

        if (r < 0)
            return r;
        buf_consume(&queue->waiting, n);
    }
    buf_release(&queue->waiting);
    note_success(queue);
    return 0;
}

int audit_queue_put(struct audit_queue *queue, char *line, size_t n, bool is_spare) {
    int r;

    if (!queue->target)
        return 0;
    r = audit_queue_flush(queue);
    if (r == 0)
        r = write_now(queue, line, n);
    if (r == 0)
        note_success(queue);
    else if (queue->continues_on_error)
        queue->n_lost++;
    else
        keep(queue, slice_of(line, n), is_spare);
    return r;
}

static void free_target(struct audit_queue *queue) {
    if (queue->target)
        queue->target->kind->free(queue->target);
    queue->target = NULL;
}

void audit_queue_move(struct audit_queue *queue, struct audit_target *target, bool continues_on_error) {
    if (!target)
        audit_queue_done(queue);
    else if (queue->target)
        audit_file_follow(target, queue->target);
    free_target(queue);
    queue->target = target;
    queue->continues_on_error = continues_on_error;
}

void audit_queue_done(struct audit_queue *queue) {
    if (!queue->target)
        return;
    if (audit_queue_flush(queue) < 0) {
        log_error("audit: %s: still cannot be written; the lines that wait are:", queue->target->name);
        write_to_standard_error(buf_slice(&queue->waiting));
    }
    if (queue->n_lost > 0)
        log_error("audit: %s: lines lost: %" PRIu64, queue->target->name, queue->n_lost);
    queue->n_lost = queue->n_late = 0;
    queue->is_failing = false;
    free_target(queue);
    buf_release(&queue->waiting);
}
