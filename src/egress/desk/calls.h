/*
 * Calls: somebody has connected where a relay listens, and it asks for what he needs. Here it is found out who he is and
 * whether he belongs to the holder's command; then a stream is made as for a dial (egress/desk/dial.c). In the supervisor.
 */
#pragma once

#include "egress/desk/broker_state.h"
#include "egress/desk/caller.h"

/* A relay's IPC_CALL, for its permits; `owner` is the holder's struct child. 0, -EPROTO or -errno. */
int calls_take(void *owner, struct ipc_message *m);

/*
 * Whether he who has connected by TCP between these ports may be served. `*ret` is who he is, as far as that can be told:
 * also when he may not.
 */
bool calls_admit(const struct holder *holder, uint16_t from, uint16_t to, struct asker *ret);

/*
 * Who has connected: by TCP between these ports, or, where both are 0, the process `pid` by a unix socket, with its pidfd
 * (borrowed) where there is one. `*ret` as for calls_admit.
 */
enum caller_kind calls_identify(const struct holder *holder, uint16_t from, uint16_t to, pid_t pid, int pidfd,
                                struct asker *ret);

/* Answers a call, or what was asked for with a way: there is none. 0 or -errno. */
int calls_refuse(struct holder *holder, uint32_t call, unsigned status, struct slice rule, struct slice reason,
                 struct slice hint);
