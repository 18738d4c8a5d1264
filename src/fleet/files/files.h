/*
 * The operations on files that a task does itself: read, write, list, glob and grep. Every path is the workspace's: the
 * kernel resolves it beneath (fleet/beneath.h), a `/` in front means the workspace, and a link is followed only where
 * it stays inside. Nothing here waits for a pipe or a device, and everything is bounded: results by the room in the
 * buffer, walks by LIMIT_WALK, all of it by a deadline. Never starts anything. Used by credfd-task.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "fleet/order.h"

struct files {
    int workspace;                     /* its directory, opened O_DIRECTORY; borrowed */
    uint64_t deadline_ms;              /* of clock_now_ms: when to give up */
    bool (*is_cancelled)(void *owner); /* asked every few milliseconds of work; may be NULL */
    void *owner;
};

/*
 * Does what `order` says, one of those five. `result` is empty and its cap bounds what is put there: the object of JSON
 * that is the task's `result`; it needs 4 KiB at least, and LIMIT_RESULT less what stands around it is right. What does
 * not fit is left out, and said: `total_size` of a read, `"truncated": true` of the others.
 *
 * 0; or -errno with one line for the hub in `*ret_error` (the caller's; NULL for want of memory), which may hold what a
 * path holds, and `result` is of no use. -ETIMEDOUT and -ECANCELED come without a line: they have one in the contract.
 */
int files_run(const struct files *files, const struct order *order, struct buf *result, char **ret_error);
