/* The payload of a task.result (contract 3) that says why there is no result. */
#pragma once

#include "base/buf.h"

/* `source_id` may be empty. Appends an object of JSON: 0 or -errno of buf_append. */
int failure_write(struct buf *to, struct slice task_id, struct slice source_id, struct slice error);
