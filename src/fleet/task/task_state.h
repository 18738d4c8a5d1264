/*
 * A task as its own process has it, and what the parts of that process do with it: task.c hears the supervisor and decides
 * what is waited for, task_bash.c has the command run and hears it, task_finish.c writes what came of it. Private to
 * credfd-task.
 */
#pragma once

#include <limits.h>

#include "base/secret.h"
#include "fleet/order.h"
#include "fleet/settings.h"
#include "fleet/task/outcome.h"
#include "fleet/task/task_output.h"
#include "net/loop.h"
#include "proc/channel.h"

enum task_wait {
    WAIT_PLAN,  /* who it is */
    WAIT_ORDER, /* what it is to do, and everything for that */
    WAIT_FILES, /* for an operation on files, which it does itself */
    WAIT_START, /* for the command to run */
    WAIT_EXIT,  /* for it to end */
    WAIT_STOP,  /* for it to be ended */
    WAIT_CLOSE, /* for nothing any more: what came of it is told */
    TASK_WAITS
};

struct task {
    enum task_wait wait;
    char task_id[LIMIT_TASK_ID + 1], trace_id[LIMIT_TASK_ID + 1], source_id[LIMIT_TASK_ID + 1];
    enum operation operation;
    char workspace_path[PATH_MAX], *base_url;
    struct task_limits limits;
    int workspace, spool; /* directories */
    int begun;            /* ID.begun: its lock says that this process lives */

    struct command_rules rules;
    bool has_rules;
    struct buf base, key_names, lease; /* of the environment: fleet/task/task_environment.h */
    struct secret *key;                /* NULL: none that comes without a lease */
    struct slice order_bytes;          /* mapped; `order` looks into it */
    struct order order;

    struct channel exec; /* to credfd-exec */
    struct mask *mask;   /* NULL: there is nothing to mask */
    struct output_means means;
    struct output outputs[TASK_STREAMS];
    int pipes[TASK_STREAMS];
    struct watch readable[TASK_STREAMS];
    struct timer telling, deadline, begin;
    uint64_t timeout_ms, began_ms;
    bool has_run;
    int wait_status; /* of the command; -1: it is not known */

    enum task_outcome stopping; /* why it is to end before its time; TASK_RAN: it is not */
    bool is_runner_ending;      /* which is why it is cancelled */
};

void task_set_wait(struct task *task, enum task_wait wait, uint64_t deadline_ms);

/* Whoever asks first is named in the result. `term_ms`: from SIGTERM to SIGKILL, as credfd-exec has it. */
void task_stop(struct task *task, enum task_outcome why, uint64_t term_ms);
/* In words, for the hub; `to` is empty. */
int task_describe_stop(const struct task *task, struct buf *to);

/* task_bash.c */
void bash_begin(struct task *task);
/* The channel to credfd-exec, taken over. 0 or -errno. */
int bash_set_exec(struct task *task, int fd);

/*
 * task_finish.c. ID.begun, which is held from then on: 0 or -errno. Each task_finish writes ID.result, tells the supervisor, and ends the loop:
 * `error` is a sentence for the hub, empty where it was a success; `files` as struct task_facts.
 */
int task_write_begun(struct task *task);
void task_finish(struct task *task, enum task_outcome outcome, struct slice error, struct slice files);
void task_finish_saying(struct task *task, enum task_outcome outcome, const char *format, ...) _printf_(3, 4);
/* As it was stopped. */
void task_finish_stopped(struct task *task);
