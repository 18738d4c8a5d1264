/*
 * The keeper's side of name resolution: asks the resolver, keeps an answer for as long as its records live (a minute at
 * most), and asks once for many that wait. The keeper itself never reads a DNS packet.
 */
#pragma once

#include "base/limits.h"
#include "net/address.h"

struct lookup;

struct lookup_result {
    size_t n; /* 0: it failed, and `failure` says why */
    struct address addresses[LIMIT_ADDRESSES];
    const char *failure;
};

typedef void lookup_done(void *owner, const struct lookup_result *result);

/* The channel to the resolver, taken over; once more when there is a new one. 0 or -errno. */
int lookup_init(int fd);

/*
 * Addresses of `host` with `port` in them. `done` is called from the loop, or before this returns when the answer is
 * known; exactly once unless lookup_cancel comes first. NULL when it was answered at once.
 */
struct lookup *lookup_start(struct slice host, uint16_t port, lookup_done *done, void *owner);
void lookup_cancel(struct lookup *lookup);
