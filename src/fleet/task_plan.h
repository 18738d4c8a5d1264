/*
 * What a task's own processes must know before they get their order: who it is, and what the runner's settings allow it.
 * The supervisor sends it, credfd-task and credfd-exec read it.
 */
#pragma once

#include "fleet/operation.h"
#include "fleet/settings.h"
#include "fleet/task/task_user.h"
#include "ipc/message.h"

/* In a decoded plan slices look into the message: what is to stay is copied. */
struct task_plan {
    struct slice task_id;   /* 1 to LIMIT_TASK_ID */
    struct slice trace_id;  /* may be empty, as the next */
    struct slice source_id; /* source_instance_id */
    enum operation operation;
    struct slice workspace; /* absolute */
    struct task_user user;  /* that its command runs as; no name: the runner's own */
    struct slice base_url;  /* of a key that comes without a lease: for the environment; else empty */
    struct task_limits limits;
};

/* IPC_TASK_PLAN. */
struct ipc_writer task_plan_encode(const struct task_plan *plan);
/* 0 or -EPROTO. */
int task_plan_decode(struct ipc_message *m, struct task_plan *ret);

/* IPC_TASK_RULES: as they must fit into one datagram, settings bounds them. */
struct ipc_writer command_rules_encode(const struct command_rules *rules);
/* 0 with `*ret` the caller's, for command_rules_done; -EPROTO or -ENOMEM. */
int command_rules_decode(struct ipc_message *m, struct command_rules *ret);
void command_rules_done(struct command_rules *rules);
