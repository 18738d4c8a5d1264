/*
 * Who has connected by TCP over the loopback: the kernel tells which socket is the other end (sock_diag(7)), and /proc
 * which process has it. In the supervisor; reads no byte of a stranger's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "egress/desk/asker.h"

/* A socket of this network namespace to ask the kernel by: netlink(7), NETLINK_SOCK_DIAG. 0 or -errno. */
int caller_open_diag(int *ret_fd);

enum caller_kind {
    CALLER_GONE,     /* nobody has that end of the connection any more */
    CALLER_STRANGER, /* somebody has it who does not descend */
    CALLER_OURS,
};

/*
 * The process that has the socket from 127.0.0.1:`from` to 127.0.0.1:`to`; of several (a fork) one that is ours, else any
 * one. `descends` is 0 (then everybody is ours), or a process: then it is, and what descends from it, or has been
 * orphaned to us. `*ret` has pid 0 and no executable where we cannot see who it is.
 */
enum caller_kind caller_identify(struct asker *ret, int diag, uint16_t from, uint16_t to, pid_t descends);

/*
 * Whether a process is `ancestor`, or descends from it or from us. Its pidfd (borrowed) tells that it still lives when
 * that was seen: one that has ended is nobody's.
 */
bool caller_descends(pid_t pid, int pidfd, pid_t ancestor);
