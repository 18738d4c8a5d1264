/*
 * What the supervisor knows of the spool without looking at the disk: an entry for each task, found by its id, and in a
 * list of those in its state. Touches no file. The inside of the spool; used by its files alone.
 */
#pragma once

#include "base/name_index.h"
#include "fleet/spool/record.h"
#include "fleet/spool/spool.h"

struct spool_task {
    struct name_place place;
    struct spool_task *previous, *next; /* in the list of its state */
    enum spool_state state;             /* changed by spool_task_set_state alone */
    uint64_t number;                    /* of a result: in the order of sending */
    uint64_t size;                      /* of its file */
    enum operation operation;
    bool is_refusal;                           /* its result is: it is forgotten once that is settled */
    struct slice task_id, trace_id, source_id; /* in `bytes` */
    const char *fault; /* what becomes its result once its process is gone: of one that another supervisor has begun */
    int unwritten;     /* memory that holds its record, as the disk does not take it; or -EBADF */
    char bytes[];
};

struct spool_list {
    struct spool_task *first, *last;
};

struct spool {
    int directory, lock;
    uint64_t max_bytes, last_number;
    struct name_index index;
    struct spool_list lists[SPOOL_SENT + 1]; /* results by their number, what was sent by its age */
    uint64_t remembered_bytes;
    size_t n_unwritten, n_left; /* tasks with memory, and with a fault */
    size_t n_damaged_kept;
    struct spool_counts counts;
};

/* In SPOOL_BEGUN. NULL without memory, or where there is one of that id. */
struct spool_task *spool_task_add(struct spool *spool, const struct record *record);
struct spool_task *spool_task_find(const struct spool *spool, struct slice task_id);
struct spool_task *spool_task_by_number(const struct spool *spool, uint64_t number);

/* To the end of that state's list; a result gets the next number. `size` is its file's. SPOOL_UNKNOWN frees it. */
void spool_task_set_state(struct spool *spool, struct spool_task *task, enum spool_state state, uint64_t size);

/* A result, behind all the others. */
void spool_task_renumber(struct spool *spool, struct spool_task *task);

/* Another file in the place of the one it had. */
void spool_task_set_size(struct spool *spool, struct spool_task *task, uint64_t size);

/* Both may be what they were: the counts are kept. `unwritten` is the task's from then on; the one before is closed. */
void spool_task_set_fault(struct spool *spool, struct spool_task *task, const char *fault);
void spool_task_set_unwritten(struct spool *spool, struct spool_task *task, int unwritten);
