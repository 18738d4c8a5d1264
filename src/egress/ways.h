/*
 * Ways: connections of a workload to hosts that no lease is for, through the proxy's door. The relay asks for one, the
 * gate opens it, and the supervisor stands between them, as with streams: it knows who asked, and writes the audit. In
 * the supervisor; no byte of a way comes here.
 */
#pragma once

#include "egress/asker.h"
#include "egress/broker_state.h"

/* The gate is wanted: it is started beside the keeper, with its rules. 0 or -errno with `*ret_error` as broker_start. */
int ways_start(struct broker *broker, char **ret_error);
void ways_stop(struct broker *broker);
bool ways_is_ready(const struct broker *broker); /* or not wanted */
bool ways_is_quiet(const struct broker *broker);

/* The rules were read again. */
void ways_reload(struct broker *broker);

/* What a relay may say, for its permits; `owner` is the holder's struct child. 0, -EPROTO or -errno. */
int ways_take(void *owner, struct ipc_message *m);       /* IPC_WAY */
int ways_take_used(void *owner, struct ipc_message *m);  /* IPC_WAY_USED */
int ways_take_close(void *owner, struct ipc_message *m); /* IPC_WAY_CLOSED */

/* The holder's relay is gone, and with it its ways. */
void ways_side_gone(struct broker *broker, struct holder *holder);
