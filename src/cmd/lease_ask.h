/* The leases of this user's supervisors, asked for over their control sockets. Used by `credfd lease` alone. */
#pragma once

#include "base/limits.h"
#include "egress/control_codec.h"

/* A lease with names of its own: those of `info` are not set. */
struct lease_row {
    struct lease_id id;
    struct lease_info info;
    char lease[LIMIT_NAME], identity[LIMIT_IDENTITY];
    size_t lease_n, identity_n;
};

struct lease_rows {
    struct lease_row *at;
    size_t n;
};
void lease_rows_done(struct lease_rows *rows);

/*
 * The leases of every supervisor of this user, by id. One that does not answer is named in the log and left out; what
 * one that has died left behind is removed. 0, or -ENOMEM.
 */
int lease_ask_all(struct lease_rows *ret);

/* 0 when it has ended; -ENOENT when there is no such lease, -EIO when its supervisor could not end it, or -errno. */
int lease_ask_revoke(struct lease_id id);
