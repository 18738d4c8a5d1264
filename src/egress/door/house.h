/*
 * What every relay has, with a proxy or without: its leases with their fd doors and base_url doors, and what the
 * supervisor says about them. Two programs have it: credfd-relay (egress/door/relay.c) and credfd-proxy (door/proxy.c).
 */
#pragma once

#include "egress/door/call.h"
#include "relay/connection.h"

/* The rules of the lease with that door: its name, and which fields are not to be removed. NULL: there is none. */
const struct exchange_rules *house_rules(uint32_t door);

const struct connection_timeouts *house_timeouts(void);

/*
 * What listens at DOOR_KIND_PROXY: takes the socket over, 0 or -errno. Without it no such socket may come. And what is
 * told of each base_url door, before it is opened, since clients of a proxy ask the proxy for its URL too.
 */
void house_set_proxy(int (*open_proxy)(int fd), int (*url_opens)(uint32_t door, int fd, struct slice prefix));

/* The relay's permits. 0, -EPROTO or -errno. */
int house_take_timeouts(void *owner, struct ipc_message *m);
int house_take_door(void *owner, struct ipc_message *m);
int house_take_stream(void *owner, struct ipc_message *m);
int house_take_no_stream(void *owner, struct ipc_message *m);
int house_take_no_keeper(void *owner, struct ipc_message *m);
int house_take_listen(void *owner, struct ipc_message *m);

/* Rows for the table of either program. */
#define HOUSE_PERMITS                                                                                                  \
    {IPC_TIMEOUTS, 1, house_take_timeouts}, {IPC_DOOR, 1, house_take_door}, {IPC_STREAM, 1, house_take_stream},        \
        {IPC_NO_STREAM, 1, house_take_no_stream}, {IPC_NO_KEEPER, 1, house_take_no_keeper},                            \
        {IPC_DOOR_LISTEN, 1, house_take_listen}, {IPC_CALL_STREAM, 1, call_take_stream}, {                             \
        IPC_CALL_REFUSED, 1, call_take_refusal                                                                         \
    }
