/*
 * Ways: connections of a workload to hosts that no lease is for, through the proxy's door. The relay asks for one, the
 * gate opens it, and the supervisor stands between them, as with streams: it knows who asked, and writes the audit. In
 * the supervisor; no byte of a way comes here.
 */
#pragma once

#include "egress/desk/asker.h"
#include "egress/desk/broker_state.h"

/* The gate is wanted where the settings have `egress`: it is started beside the keeper. 0 or -errno. */
int ways_start(struct broker *broker);
void ways_stop(struct broker *broker);
void ways_free(struct broker *broker);           /* every holder is gone */
bool ways_is_ready(const struct broker *broker); /* the gate listens, or is not wanted */
bool ways_is_quiet(const struct broker *broker);

/* The rules were read again. */
void ways_reload(struct broker *broker);

/* There is a resolver, or a new one. 0 or -errno. */
int ways_introduce_resolver(struct broker *broker);

/* What a relay may say, for its permits; `owner` is the holder's struct child. 0, -EPROTO or -errno. */
int ways_take(void *owner, struct ipc_message *m);       /* IPC_WAY */
int ways_take_used(void *owner, struct ipc_message *m);  /* IPC_WAY_USED */
int ways_take_close(void *owner, struct ipc_message *m); /* IPC_WAY_CLOSED */

/* One line of the audit for what has no lease: `asker` wanted to go to `authority`. */
void ways_account(struct holder *holder, const char *authority, const struct asker *asker,
                  const struct exchange_record *record);

/* The holder's relay is gone, and with it its ways. */
void ways_side_gone(struct broker *broker, struct holder *holder);
