/*
 * Sockets that listen, non-blocking and close-on-exec, for whoever accepts on them: it may be another process. Nothing
 * is accepted here.
 */
#pragma once

#include "net/address.h"

/*
 * At `path`, for this user alone from its birth on. `type` is SOCK_STREAM or SOCK_SEQPACKET. What a process that has
 * died left there is replaced; what somebody serves, or is no socket, stays: -EADDRINUSE. 0, -ENAMETOOLONG or -errno.
 */
int listen_unix(const char *path, int type, int backlog, int *ret_fd);

/* An IPv6 address is listened at for IPv6 alone. 0 or -errno. */
int listen_tcp(const struct address *address, int backlog, int *ret_fd);

/*
 * The same, one of several of this user's at one address (SO_REUSEPORT): the kernel spreads connections among them.
 * Whether somebody else's listener is one of them is the caller's to find out: by listen_tcp, which fails then.
 */
int listen_tcp_beside(const struct address *address, int backlog, int *ret_fd);
