#include "fleet/desk/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"

/* There for as long as something of it waits. */
struct queue_source {
    struct name_place place;
    struct queue_source *next, *before; /* in the ring */
    struct turn *first, *last;
    char name[];
};

static struct queue_source *find_source(const struct queue *queue, struct slice name) {
    struct name_place *place = name_index_find(&queue->sources, name);

    return place ? container_of(place, struct queue_source, place) : NULL;
}

/* Behind all the others: it is their turn before. */
static void enter_ring(struct queue *queue, struct queue_source *source) {
    struct queue_source *current = queue->current;

    if (!current) {
        source->next = source->before = source;
        queue->current = source;
        return;
    }
    source->next = current;
    source->before = current->before;
    source->before->next = source;
    current->before = source;
}

static struct queue_source *add_source(struct queue *queue, struct slice name) {
    struct queue_source *source = calloc(1, sizeof(*source) + name.n);

    if (!source)
        return NULL;
    if (name.n > 0)
        memcpy(source->name, name.p, name.n);
    if (name_index_add(&queue->sources, &source->place, slice_of(source->name, name.n)) < 0) {
        free(source);
        return NULL;
    }
    enter_ring(queue, source);
    return source;
}

static void forget_source(struct queue *queue, struct queue_source *source) {
    bool is_last = source->next == source;

    if (queue->current == source)
        queue->current = is_last ? NULL : source->next;
    source->before->next = source->next;
    source->next->before = source->before;
    name_index_remove(&queue->sources, &source->place);
    if (is_last)
        name_index_done(&queue->sources);
    free(source);
}

int queue_add(struct queue *queue, struct turn *turn, struct slice name) {
    struct queue_source *source;

    if (queue->n >= queue->max)
        return -ENOBUFS;
    source = find_source(queue, name);
    if (!source)
        source = add_source(queue, name);
    if (!source)
        return -ENOMEM;
    *turn = (struct turn){.source = source, .before = source->last};
    if (source->last)
        source->last->next = turn;
    else
        source->first = turn;
    source->last = turn;
    queue->n++;
    return 0;
}

void queue_remove(struct queue *queue, struct turn *turn) {
    struct queue_source *source = turn->source;

    if (!source)
        return;
    if (turn->before)
        turn->before->next = turn->next;
    else
        source->first = turn->next;
    if (turn->next)
        turn->next->before = turn->before;
    else
        source->last = turn->before;
    *turn = (struct turn){0};
    queue->n--;
    if (!source->first)
        forget_source(queue, source);
}

struct turn *queue_take(struct queue *queue) {
    struct queue_source *source = queue->current;
    struct turn *turn = source ? source->first : NULL;

    if (!turn)
        return NULL;
    queue->current = source->next;
    queue_remove(queue, turn);
    return turn;
}
