/*
 * The proxy, one of the doors of a relay: an HTTP proxy for the command, for all its leases and for ways to other hosts.
 * What it knows of the leases comes by the supervisor's messages; what a client asks is the business of proxy_client.h.
 * Called by credfd-proxy's main, and by the relay's doors for a socket of DOOR_KIND_PROXY. Opens nothing itself.
 */
#pragma once

#include "egress/door/authority.h"
#include "ipc/message.h"

/* Accepts there. Takes `fd` over, even on failure. 0 or -errno. */
int proxy_listen(int fd);

/* A base_url door is about to be opened on `fd`: its URL is known here from now on. 0 or -errno. */
int proxy_url_opens(uint32_t door, int fd, struct slice prefix);

/* The permits of what only a proxy is told. 0, -EPROTO or -ENOMEM. */
int proxy_take_place(void *owner, struct ipc_message *m); /* IPC_DOOR_PLACE */
int proxy_take_order(void *owner, struct ipc_message *m); /* IPC_PROXY: the authority is made, and its parts are sent */

/* What ends TLS for the host of a lease; NULL before the authority is made, and for a host of none. */
struct tls_terminator *proxy_terminator(struct slice host);
