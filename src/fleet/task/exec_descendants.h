/*
 * Signals to all that a process has brought into being, without a cgroup and without a PID namespace: its descendants,
 * which stay so as long as it is their subreaper (PR_SET_CHILD_SUBREAPER). Used by credfd-exec, about itself.
 */
#pragma once

#include <stddef.h>

/*
 * Sends `signal` to each that is there now. Numbers are used again, so each is held by a pidfd and looked at once more
 * before it is signalled. How many were found, zombies included; in `*ret_reached` how many of those it was sent to: not
 * to who is another user's.
 */
size_t descendants_signal(int signal, size_t *ret_reached);

/* Stops all first, so that none brings forth another meanwhile, and kills them then. How many it was sent to. */
size_t descendants_kill(void);
