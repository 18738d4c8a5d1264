/*
 * How a task of the spool comes to its result on the disk: the one that it wrote is looked at, and what is damaged is
 * set aside; or one that says why there is none is written in its place, and kept in memory while the disk takes
 * nothing. The inside of the spool; used by its files alone.
 */
#pragma once

#include "fleet/spool/spool_file.h"
#include "fleet/spool/spool_index.h"

#define SPOOL_INTERRUPTED "task interrupted: the runner ended while it ran"
#define SPOOL_DAMAGED "the task's result was damaged in the spool"

/*
 * Looks at ID.result or ID.sent, whole: a record of that task with a payload. 0 with its bytes, the caller's, and what
 * stands in them; -ENOENT; -EBADMSG: what is there was no such thing, and is ID.damaged now. Or -errno.
 */
int spool_result_read(struct spool *spool, struct slice task_id, enum spool_ending ending, struct slice *ret_bytes,
                      struct record *ret);

/* The task has its result: what it wrote, or else `error`, or SPOOL_DAMAGED. 0 or -errno as spool_finish. */
int spool_result_settle(struct spool *spool, struct spool_task *task, const char *error);

/* A result that says `error`; the task has it. The same. */
int spool_result_fail(struct spool *spool, struct spool_task *task, const char *error);

/* The record in this memory, which may have been written by anybody, is its result. The same; -EBADMSG. */
int spool_result_keep(struct spool *spool, struct spool_task *task, int memory);

/* Of what was sent the oldest go, until the others are few and small enough to be remembered. */
void spool_forget_old(struct spool *spool);

/* Writes what is kept in memory. 0 or -errno. */
int spool_result_write(struct spool *spool, struct spool_task *task);
