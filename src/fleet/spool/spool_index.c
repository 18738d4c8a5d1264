#include "fleet/spool/spool_index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"

static struct slice keep(char **at, struct slice text) {
    struct slice kept = slice_of(*at, text.n);

    if (text.n > 0)
        memcpy(*at, text.p, text.n);
    *at += text.n;
    return kept;
}

/* What stands in the counts of the state that it is in, or is about to leave. */
static void count(struct spool *spool, const struct spool_task *task, uint64_t one, uint64_t size) {
    switch (task->state) {
    case SPOOL_BEGUN:
        spool->counts.begun += one;
        break;
    case SPOOL_RESULT:
        spool->counts.results += one;
        spool->counts.bytes += size;
        break;
    case SPOOL_SENT:
        spool->counts.remembered += one;
        spool->remembered_bytes += size;
        break;
    case SPOOL_UNKNOWN:
        break;
    }
}

static void enter(struct spool *spool, struct spool_task *task) {
    struct spool_list *list = &spool->lists[task->state];

    task->previous = list->last;
    task->next = NULL;
    *(list->last ? &list->last->next : &list->first) = task;
    list->last = task;
    count(spool, task, 1, task->size);
}

static void leave(struct spool *spool, struct spool_task *task) {
    struct spool_list *list = &spool->lists[task->state];

    *(task->previous ? &task->previous->next : &list->first) = task->next;
    *(task->next ? &task->next->previous : &list->last) = task->previous;
    count(spool, task, UINT64_MAX, 0 - task->size); /* one less, in the arithmetic of unsigned numbers */
}

struct spool_task *spool_task_find(const struct spool *spool, struct slice task_id) {
    struct name_place *place = name_index_find(&spool->index, task_id);

    return place ? container_of(place, struct spool_task, place) : NULL;
}

struct spool_task *spool_task_add(struct spool *spool, const struct record *record) {
    size_t n = record->task_id.n + record->trace_id.n + record->source_id.n;
    struct spool_task *task = spool_task_find(spool, record->task_id) ? NULL : calloc(1, sizeof(*task) + n);
    char *at;

    if (!task)
        return NULL;
    at = task->bytes;
    task->task_id = keep(&at, record->task_id);
    task->trace_id = keep(&at, record->trace_id);
    task->source_id = keep(&at, record->source_id);
    task->operation = record->operation;
    task->is_refusal = record->is_refusal;
    task->unwritten = -EBADF;
    if (name_index_add(&spool->index, &task->place, task->task_id) < 0) {
        free(task);
        return NULL;
    }
    task->state = SPOOL_BEGUN;
    enter(spool, task);
    return task;
}

struct spool_task *spool_task_by_number(const struct spool *spool, uint64_t number) {
    struct spool_task *task = spool->lists[SPOOL_RESULT].first;

    while (task && task->number < number)
        task = task->next;
    return task && task->number == number ? task : NULL;
}

void spool_task_set_fault(struct spool *spool, struct spool_task *task, const char *fault) {
    spool->n_left += (size_t)(fault != NULL);
    spool->n_left -= (size_t)(task->fault != NULL);
    task->fault = fault;
}

void spool_task_set_unwritten(struct spool *spool, struct spool_task *task, int unwritten) {
    spool->n_unwritten += (size_t)(unwritten >= 0);
    spool->n_unwritten -= (size_t)(task->unwritten >= 0);
    fd_close(&task->unwritten);
    task->unwritten = unwritten;
}

void spool_task_set_size(struct spool *spool, struct spool_task *task, uint64_t size) {
    count(spool, task, 0, size - task->size);
    task->size = size;
}

void spool_task_renumber(struct spool *spool, struct spool_task *task) {
    leave(spool, task);
    task->number = ++spool->last_number;
    enter(spool, task);
}

void spool_task_set_state(struct spool *spool, struct spool_task *task, enum spool_state state, uint64_t size) {
    leave(spool, task);
    task->state = state;
    task->size = size;
    if (state == SPOOL_RESULT)
        task->number = ++spool->last_number;
    if (state != SPOOL_RESULT)
        spool_task_set_unwritten(spool, task, -EBADF);
    if (state != SPOOL_BEGUN)
        spool_task_set_fault(spool, task, NULL);
    if (state != SPOOL_UNKNOWN) {
        enter(spool, task);
        return;
    }
    name_index_remove(&spool->index, &task->place);
    free(task);
}
