/*
 * Tables of what may be said on a channel in which phase, and who hears it. What is not permitted is never handled.
 */
#pragma once

#include "ipc/message.h"

struct ipc_permit {
    enum ipc_type type;
    unsigned phases; /* bits */
    /* Takes the message apart and ends with ipc_end. 0, -EPROTO (the peer broke the rules) or -errno. */
    int (*handle)(void *owner, struct ipc_message *m);
};

/* Runs the permitted handler; -EPROTO when there is none. */
int ipc_dispatch(const struct ipc_permit *permits, size_t n_permits, unsigned phase, void *owner,
                 struct ipc_message *m);
