/*
 * What of the kernel credfd cannot do without, asked by trying it: for `doctor`, and for `version`, which says whether
 * this build can be a broker here. Nothing is changed in the process that asks.
 */
#pragma once

#include <stdbool.h>

bool kernel_has_channels(void);        /* SOCK_SEQPACKET over AF_UNIX: leases and roles */
bool kernel_has_seccomp_filters(void); /* with the action that ends a process */
bool kernel_has_pidfd(void);           /* roles are watched and signalled through one */
bool kernel_keeps_secrets(void);       /* memory for them, of whichever kind */
bool kernel_names_askers(void);        /* SO_PASSPIDFD: an asker is known by more than a number (Linux 6.5) */

/* Everything without which no lease can be served. */
bool kernel_gives_broker(void);

/*
 * What `attempt` returns (0 or -errno) in a child that is thrown away, for what cannot be undone. Or the -errno of
 * making the child.
 */
int kernel_try(int (*attempt)(void));
