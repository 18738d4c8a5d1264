/*
 * Connections of those in front: accepted here on the listeners that the supervisor has made, or handed over by the
 * doorman, which has ended TLS. Each is one connection of the HTTP engine with a visit behind it. Knows who the other end
 * is, as the kernel or the doorman says; what that end may do is the visit's business.
 */
#pragma once

#include "ingress/front/front.h"
#include "ingress/peer_role.h"

/* How many there may be at once: what descriptors allow for. Called before the sandbox closes. 0 or -errno. */
int guests_prepare(void);

/* Takes `fd` over even on failure and accepts there. 0 or -errno. */
int guests_listen(enum listener_kind kind, int fd);

/* Takes a connection over, whose other end is `peer`; closed when there is no room. */
void guests_admit(int fd, const struct peer *peer);

/* Others are trusted than before. */
void guests_front(void);

/* There is a new table. */
void guests_table(void);

/* Accepts no more, and closes whoever is idle; whoever is not, after his answer. */
void guests_drain(void);

/* Ends whatever is still under way. */
void guests_end(void);
unsigned guests_count(void);

/* Of exchanges and tunnels together one person may have so many here at once, whatever his instance does with them. */
unsigned guests_share(void);
