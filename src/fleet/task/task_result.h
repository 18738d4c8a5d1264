/*
 * The payload of a task.result (contract 3), as it goes into the spool and from there to the hub. Pure. Used by
 * credfd-task.
 */
#pragma once

#include "fleet/operation.h"
#include "fleet/task/task_output.h"

struct task_facts {
    struct slice task_id, source_id; /* `source_id` may be empty */
    struct slice error;              /* a sentence; empty: success */
    struct slice files;              /* of an operation on files: the object that is its result; empty: none */
    const struct output *outputs;    /* of a command that ran, TASK_STREAMS of them; NULL: it did not */
    int exit_code;                   /* of it; -1: it is not known */
};

/* Appends the object. 0 or -errno of buf_append: -ENOBUFS, it is too large. */
int task_result_write(struct buf *to, const struct task_facts *facts);

/* As a shell says it: the status, or 128 and the number of the signal. */
int task_exit_code(int wait_status);
