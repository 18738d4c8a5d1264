/*
 * The lines of the audit on their way to one target: written at once, or kept in order until they can be, or lost, as
 * configured. Says in the log when that begins and when it is over, and never loses a line without a word.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "egress/audit/audit_target.h"

struct audit_queue {
    struct audit_target *target; /* owned; NULL for none: then nothing here does anything */
    struct buf waiting;          /* lines, each with its newline */
    bool continues_on_error;
    bool is_failing;
    uint64_t n_lost, n_late; /* since it began to fail */
};

void audit_queue_init(struct audit_queue *queue, struct audit_target *target, bool continues_on_error);

/* Another target for what waits and what comes. */
void audit_queue_move(struct audit_queue *queue, struct audit_target *target, bool continues_on_error);

/*
 * `lines` are one or more of audit_line.h; their `prev` is set. 0, or -errno when not all are written now. One that
 * `is_spare` tells only that a request was refused because lines wait: they do not take the room of others, and beyond
 * it are counted.
 */
int audit_queue_put(struct audit_queue *queue, char *lines, size_t n, bool is_spare);

/* Tries to write what waits. 0 when nothing waits any more, or -errno. */
int audit_queue_flush(struct audit_queue *queue);

static inline bool audit_queue_is_waiting(const struct audit_queue *queue) {
    return !buf_is_empty(&queue->waiting);
}

/* Tries once more; what still waits goes to standard error. Frees the target. */
void audit_queue_done(struct audit_queue *queue);
