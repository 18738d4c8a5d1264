/*
 * The spool: a directory in which nothing that a task has brought about is lost. Of each task there is one file, named
 * after its id, and its ending tells how far it is:
 *
 *     ID.begun   it was begun; the task's process writes it before it does anything, and removes it after the next
 *     ID.result  its result, not known to be with the hub; the task's process writes it aside and renames it
 *     ID.sent    the hub has it. Kept as the memory of which tasks were done, and to be sent again where the hub asks
 *                again; emptied where the hub acknowledges by word
 *
 * The supervisor keeps the index of it; files are written by the tasks themselves, so that a result survives whoever is
 * killed. Used by fleet/desk. Maps no secret: what tasks write was masked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fleet/spool/record.h"

struct spool;

enum spool_state { SPOOL_UNKNOWN, SPOOL_BEGUN, SPOOL_RESULT, SPOOL_SENT };

/* A result that is to be sent. Valid until the spool is called again. */
struct spool_entry {
    uint64_t number; /* in the order of sending, from 1 on */
    struct slice task_id, trace_id;
};

/*
 * Opens it, made if it is not there (0700), and takes it for this process alone: a second runner on it is refused. What
 * was begun and has no result was interrupted, and gets a result that says so, for the hub, once nothing of its process
 * is left (spool_retry). `max_bytes` is what spool_is_full tells by. 0, or -errno with one line in `*ret_error`.
 */
int spool_open(const char *path, uint64_t max_bytes, struct spool **ret, char **ret_error);
void spool_close(struct spool *spool);

/* Its directory, for a task's process: borrowed. */
int spool_directory(const struct spool *spool);

enum spool_state spool_find(const struct spool *spool, struct slice task_id);

/* A task is accepted; before its process starts. Not on disk yet. 0, -EEXIST or -ENOMEM. */
int spool_accept(struct spool *spool, const struct record *begun);

/*
 * The task's process has written ID.result (or is gone without: then the spool writes one that says `error`). What is
 * there is looked at, once: a file that is no record of this task is replaced in the same way. 0 or -errno: it could
 * not be written; the spool keeps it in memory and tries again at spool_retry.
 */
int spool_finish(struct spool *spool, struct slice task_id, const char *error);

/*
 * The same for a result that its task could not write: `record`, the spool's in every case, is memory that holds it.
 */
int spool_keep(struct spool *spool, struct slice task_id, int record);

/*
 * A result for a task that never began, accepted before or not: once it is settled the task is forgotten, and may be
 * asked for as if it never had been. 0 or -errno as above.
 */
int spool_refuse(struct spool *spool, const struct record *begun, const char *error);
int spool_refuse_accepted(struct spool *spool, struct slice task_id, const char *error);

/* The first result behind `after` (0: the first of all) that is to be sent. False when there is none. */
bool spool_next(const struct spool *spool, uint64_t after, struct spool_entry *ret);

/* The record of it, opened for reading; the caller's. -ENOENT or -errno. */
int spool_open_result(struct spool *spool, uint64_t number);

/* The hub has it; `is_acknowledged`: it has said so, and will not ask again. Harmless for a number that is gone. */
void spool_settle(struct spool *spool, uint64_t number, bool is_acknowledged);

/*
 * One that is asked for once more: what was settled is sent again, if it is still kept; a refusal that waits is behind
 * all the others from now on, with another number. 0 or -ENOENT.
 */
int spool_again(struct spool *spool, struct slice task_id);

/*
 * Tries again what could not be written, and looks at tasks of a supervisor before this one that are about to end:
 * their results come to be, or they were interrupted. True when nothing is left of either. To be called after
 * spool_open too, and every SPOOL_RETRY until it is true.
 */
bool spool_retry(struct spool *spool);

struct spool_counts {
    uint64_t results, bytes; /* that wait */
    uint64_t begun;
    uint64_t remembered; /* of the settled */
    uint64_t damaged;    /* files that were set aside since the start, as ID.damaged */
};
struct spool_counts spool_counts(const struct spool *spool);
bool spool_is_full(const struct spool *spool);

/*
 * The other side, in a task's process, `directory` being the spool's. ID.begun: a descriptor that the task holds till
 * its end, as its lock says that the task still lives; -EEXIST (it was begun before) or -errno.
 */
int spool_write_begun(int directory, const struct record *begun);
/* ID.result, whole or not at all, on the disk when it returns; ID.begun is gone. 0 or -errno (-ENOSPC). */
int spool_write_result(int directory, const struct record *result);
