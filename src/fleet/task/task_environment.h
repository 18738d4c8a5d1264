/*
 * The environment of a task's command, put together of what the supervisor gives every command, what the order says, and
 * what goes with the key; the last word is the key's. And which of its values are keys, so that they are masked in what
 * the command prints. Pure. Used by credfd-task.
 */
#pragma once

#include "base/buf.h"
#include "fleet/order.h"

#define TASK_KEY_VARIABLE "FLASHDUTY_APP_KEY"
#define TASK_URL_VARIABLE "FLASHDUTY_BASE_URL"

struct task_environment_parts {
    struct slice base;      /* NAME=VALUE, each ended by a NUL; as `lease` */
    struct slice lease;     /* what goes with a lease; empty without */
    struct slice key_names; /* each ended by a NUL: variables whose value is a key, beside TASK_KEY_VARIABLE */
    struct slice key, url;  /* a key that comes without a lease, and where it is good; or empty */
    const struct order *order;
};

struct task_environment {
    struct buf text; /* NAME=VALUE, each ended by a NUL; wiped when it is released */
    size_t n;
    struct slice *keys; /* look into the parts */
    size_t n_keys;
};

/*
 * 0, -ENOMEM, -ENOBUFS (too large), or -EINVAL: a variable that cannot be one, or a key that cannot be masked; then
 * `*ret_fault` is a few words for the hub, and `*ret_name` which (it may be anything). task_environment_done in either case.
 */
int task_environment_make(const struct task_environment_parts *parts, struct task_environment *ret,
                          const char **ret_fault, struct slice *ret_name);
void task_environment_done(struct task_environment *environment);
