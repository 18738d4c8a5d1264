/*
 * What the steward must know of starting and stopping, between it and the supervisor: IPC_STEWARD.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "ipc/message.h"

#define STEWARD_BUS 256

struct steward_rules {
    char unit[LIMIT_NAME * 2 + 1]; /* "t3@{os_user}.service": of entries that name none; empty: none */
    bool has_start, has_stop;      /* commands, which the supervisor runs: IPC_COMMAND */
    uint64_t wait_ms, idle_ms;
    uint64_t health_ms;                   /* it asks the instances so often by itself; 0: only when it is told to */
    char bus[STEWARD_BUS + 1];            /* systemd's, as D-Bus writes addresses; empty: the system's */
    char activity_path[LIMIT_PERSON + 1]; /* empty: none */
    char activity_field[LIMIT_NAME + 1];
};

struct ipc_writer steward_rules_encode(const struct steward_rules *rules);
int steward_rules_decode(struct ipc_message *m, struct steward_rules *ret); /* 0 or -EPROTO */
