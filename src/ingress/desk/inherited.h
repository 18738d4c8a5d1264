/*
 * Sockets that this process was started with, by systemd or by the dispatcher that it succeeds: $LISTEN_FDS, as
 * sd_listen_fds(3) says. Each is looked at before it is used: it listens, for streams, on TCP or a unix socket.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/limits.h"
#include "net/address.h"

/* The name that a dispatcher gives to sockets of its own making when it hands them on; systemd's keep theirs. */
#define INHERITED_OWN "credfd-dispatch"
#define INHERITED_NAME_MAX 256 /* sd_pid_notify_with_fds(3) */

struct inherited_socket {
    int fd; /* -EBADF: taken */
    char name[INHERITED_NAME_MAX];
    bool is_unix, is_spread; /* is_spread: one of several at its address */
    struct address address;
    struct sockaddr_un path;
};

struct inherited {
    struct inherited_socket *sockets;
    size_t n;
};

/*
 * Takes them over, out of the environment, whether or not they are meant for this process. 0 with none or more; -errno
 * with one line in `*ret_error`, the caller's. inherited_done closes what was not taken.
 */
int inherited_take(struct inherited *ret, char **ret_error);
void inherited_done(struct inherited *inherited);

/* The next that is not taken and listens at `address`, or at `path`; NULL: none. */
struct inherited_socket *inherited_at_address(struct inherited *inherited, const struct address *address);
struct inherited_socket *inherited_at_path(struct inherited *inherited, const char *path);

/* The next that is not taken. */
struct inherited_socket *inherited_next(struct inherited *inherited);
