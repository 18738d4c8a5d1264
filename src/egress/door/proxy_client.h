/*
 * One client of the proxy, from its first byte until it is led somewhere: to a lease (TLS is ended here where it wants
 * some), to another host through a way that the gate has opened, or to an answer of our own. What is behind that is
 * lease_stream.h, proxy_tunnel.h or proxy_forward.h.
 */
#pragma once

#include "egress/door/call.h"

/* Takes `fd` and caller->pidfd over, even on failure. It calls listener_left() once, when the client is gone. */
void proxy_client_new(int fd, const struct caller *caller);
