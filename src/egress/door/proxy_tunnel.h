/*
 * A way that carries TLS which is not ended here: bytes pass as they are, and are counted. Its first, the ClientHello,
 * has been judged (proxy_hello.h). Tells the supervisor when it is over.
 */
#pragma once

#include "net/stream.h"

/*
 * `hello` is what the client has said; `upstream` the connected socket. Takes both over even on failure, and the way,
 * and the client's place at the listener. 0 or -errno.
 */
int proxy_tunnel_open(uint64_t way, struct stream *client, struct slice hello, int upstream);
