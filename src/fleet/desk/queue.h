/*
 * Who comes next: tasks that wait for a slot, fairly. Sources take turns, each with its oldest task, so that one that
 * floods the runner keeps nobody waiting but itself. Owns no task. Used by the desk.
 */
#pragma once

#include "base/name_index.h"

struct queue_source;

/* A part of each thing that may wait. All zero: it does not. */
struct turn {
    struct queue_source *source; /* the queue's, as the next two */
    struct turn *next, *before;  /* of the same source */
};

/* All zero but for `max`. */
struct queue {
    size_t n, max;
    struct name_index sources;
    struct queue_source *current; /* of a ring of those that have something waiting: whose turn it is */
};

/* `name` is of its source, and is copied. 0; -ENOBUFS: as many wait as may; -ENOMEM. */
int queue_add(struct queue *queue, struct turn *turn, struct slice name);

/* The next one, which waits no longer; NULL when none does. */
struct turn *queue_take(struct queue *queue);

/* It does not wait any longer. Harmless for one that did not. */
void queue_remove(struct queue *queue, struct turn *turn);

static inline bool turn_is_waiting(const struct turn *turn) {
    return turn->source != NULL;
}
