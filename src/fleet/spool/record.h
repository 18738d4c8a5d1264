/*
 * One file of the spool: that a task has begun, or its result as the hub will get it. Written whole and in one go, with
 * a checksum, so that half a file is known for what it is. The task's own process writes it, the link and the spool
 * read it; each takes it for a stranger's, because a task of the same user could have written there.
 */
#pragma once

#include <stdint.h>

#include "fleet/operation.h"

struct record {
    uint64_t at_ms; /* since 1970: when it was made; results are sent in this order */
    enum operation operation;
    bool is_refusal;       /* of a task that was never begun: it may be asked for again once the hub has this */
    struct slice task_id;  /* 1 to LIMIT_TASK_ID, of bytes from ! to ~ */
    struct slice trace_id; /* to LIMIT_TASK_ID, as the next */
    struct slice source_id;
    struct slice
        payload; /* of task.result: an object of JSON, to LIMIT_RESULT; empty: it has begun, and no more is known */
};

/* Writes it to `fd`, from its beginning, and syncs it to the disk. 0 or -errno (-ENOSPC). */
int record_write(int fd, const struct record *record);

/* Slices look into `bytes`. 0; -EBADMSG: cut off, damaged, or no record. */
int record_parse(struct slice bytes, struct record *ret);

/*
 * Has the whole of a regular file, of LIMIT_RECORD at most, in memory for record_parse: a copy, which nobody can change
 * or cut under a reader. 0, -EBADMSG (no such file, or empty), -EFBIG or -errno.
 */
int record_map(int fd, struct slice *ret);
void record_unmap(struct slice *bytes);
#define _cleanup_record_ _cleanup_(record_unmap)
