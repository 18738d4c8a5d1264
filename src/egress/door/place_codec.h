/*
 * Where a lease's upstream is, on its way from the supervisor to the relay's doors: the proxy knows by it which lease a
 * host belongs to, and what its certificates are good for.
 */
#pragma once

#include "egress/settings/settings.h"
#include "ipc/message.h"

struct door_place {
    uint32_t door; /* of the lease */
    bool is_tls;
    bool allows_websocket;
    struct slice host; /* lower case, no brackets; a name or an address */
    uint16_t port;
    struct slice base_path; /* "" or "/x/y": what stands before every path there, and is cut off here */
};

struct ipc_writer place_encode(uint32_t door, const struct credential *credential);

/* Slices look into the message. 0 or -EPROTO. */
int place_decode(struct ipc_message *m, struct door_place *ret);
