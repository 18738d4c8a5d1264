/*
 * What the link says to the supervisor: each message of fleet/link's in src/ipc/message.h. A link that cannot say it is of
 * no use, and ends. Used by hub.c, talk.c and outbox.c; their tests have a tell.c of their own.
 */
#pragma once

#include "fleet/link/hub_message.h"

void tell_wants(void);
void tell_up(bool acknowledges, struct slice worknode_id, struct slice name);
void tell_down(uint64_t retry_ms, const char *reason);

/* A task.request, with its key right before it. What is sealed here is gone from here when this returns, but for the JSON. */
void tell_task(const struct hub_message *request);
void tell_cancel(struct slice task_id);
void tell_settled(uint64_t number, bool is_acknowledged);
