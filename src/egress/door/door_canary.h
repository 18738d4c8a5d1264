/*
 * The placeholders of the leases of this relay's workload, in the relay itself: where it passes on what no keeper sees,
 * it looks for them. Only a relay with a proxy is told of any.
 */
#pragma once

#include "egress/placeholder/canary.h"
#include "ipc/message.h"

/* The relay's permit for IPC_PLACEHOLDER. 0, -EPROTO or -ENOMEM. */
int door_canary_take(void *owner, struct ipc_message *m);

/* All of them; NULL for none. The lease's number in it is its door's. */
struct canary *door_canary(void);
