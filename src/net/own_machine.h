/*
 * Whether a connection leads back to this machine. The kernel's table of routes says so (rtnetlink(7)); where that cannot
 * be asked, the two ends of the connection do, but for an address that stands second in its network. For whoever
 * connects to what a name stands for: the keeper and the gate. It changes no route, and reads no byte of a connection.
 */
#pragma once

/* Once, before a sandbox closes that takes no further socket. What it cannot do is in the log. */
void own_machine_init(void);

/*
 * Whether the address that an internet socket is connected to is this machine's own: 1 or 0. -errno when nobody can
 * tell, because the connection is over already, say: then it is not to be used.
 */
int own_machine_is_peer(int fd);
