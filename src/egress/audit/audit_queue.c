#include "egress/audit/audit_queue.h"

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

/* Writes what it can of them, from the first on; `*ret_written` is how much that was. 0 for all, or -errno. */
static int write_now(struct audit_queue *queue, char *lines, size_t n, size_t *ret_written) {
    size_t written = 0;
    ssize_t r = 0;

    while (r >= 0 && written < n) {
        char *next = lines + written;
        size_t length = n - written;

        /* a target that fails had its chance to be in time, and is tried with a little: it holds nobody else up */
        if (queue->is_failing)
            length = audit_line_length(next, length);
        r = queue->target->kind->write(queue->target, next, length, !queue->is_failing);
        written += r > 0 ? (size_t)r : 0;
    }
    if (r < 0)
        note_failure(queue, (int)r);
    *ret_written = written;
    return r < 0 ? (int)r : 0;
}

int audit_queue_flush(struct audit_queue *queue) {
    size_t written;
    int r;

    if (!audit_queue_is_waiting(queue))
        return 0;
    r = write_now(queue, queue->waiting.memory + queue->waiting.start, buf_length(&queue->waiting), &written);
    buf_consume(&queue->waiting, written);
    if (r < 0)
        return r;
    buf_release(&queue->waiting);
    note_success(queue);
    return 0;
}

/* What was not written now: kept or lost, line by line. */
static void put_aside(struct audit_queue *queue, struct slice lines, bool is_spare) {
    while (lines.n > 0) {
        size_t length = audit_line_length(lines.p, lines.n);

        if (queue->continues_on_error)
            queue->n_lost++;
        else
            keep(queue, slice_first(lines, length), is_spare);
        lines = slice_from(lines, length);
    }
}

int audit_queue_put(struct audit_queue *queue, char *lines, size_t n, bool is_spare) {
    size_t written = 0;
    int r;

    if (!queue->target)
        return 0;
    r = audit_queue_flush(queue);
    if (r == 0)
        r = write_now(queue, lines, n, &written);
    if (r == 0)
        note_success(queue);
    else
        put_aside(queue, slice_of(lines + written, n - written), is_spare);
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
