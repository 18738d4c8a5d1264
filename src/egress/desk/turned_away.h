/*
 * Those whom a relay has refused before there was a stream or a way that could tell of them, or whose stream ended before
 * it began: each has a line in the audit, as a refused request has. In the supervisor; no byte of his comes here but the
 * words of the line.
 */
#pragma once

#include "egress/desk/broker_state.h"

/* A relay's IPC_TURNED_AWAY, for its permits; `owner` is the holder's struct child. 0 or -EPROTO. */
int turned_away_take(void *owner, struct ipc_message *m);
