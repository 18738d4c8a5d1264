/*
 * One message of the hub's, understood: JSON in, a structure out that looks into it. Pure but for memory: sends nothing,
 * logs nothing. What it cannot use has a fault in words that hold nothing of the message. Used by hub.c, and fuzzed.
 */
#pragma once

#include "base/limits.h"
#include "fleet/link/hub_order.h"

enum hub_message_type {
    HUB_WELCOME,
    HUB_TASK_REQUEST,
    HUB_TASK_CANCEL,
    HUB_TASK_ACK,
    HUB_MCP_CALL,
    HUB_UNKNOWN, /* passed over: a newer hub may say more than we know */
};

struct hub_message {
    enum hub_message_type type;
    struct slice type_name; /* as said */
    struct slice task_id;   /* of the three that are about a task: 1 to LIMIT_TASK_ID, of bytes from ! to ~ */
    struct slice trace_id;  /* of a request, as the next: to LIMIT_TASK_ID, without NUL */
    struct slice source_id;
    struct hub_order order;         /* of a request without a fault */
    char fault[LIMIT_REASON];       /* of a request: a sentence for the hub, why it is not done; else "" */
    struct slice call_id;           /* of an mcp.call: to LIMIT_WORKNODE */
    struct slice worknode_id, name; /* of a welcome, to LIMIT_WORKNODE; empty where it did not say */
    bool acknowledges;              /* of a welcome: results are acknowledged by word */
    json_t *root;
};

/* 0, or -EBADMSG with `*ret_fault`. Either way hub_message_done frees it; all of its memory is wiped then. */
int hub_message_parse(struct slice text, struct hub_message *ret, const char **ret_fault);
void hub_message_done(struct hub_message *message);

/*
 * Of a welcome: its labels, and the ids of results that the hub has, those that can be one. `*at` is 0 for the first, and
 * is moved behind what was found. False behind the last.
 */
bool hub_message_label(const struct hub_message *message, size_t *at, struct slice *ret);
bool hub_message_received(const struct hub_message *message, size_t *at, struct slice *ret_task_id);
