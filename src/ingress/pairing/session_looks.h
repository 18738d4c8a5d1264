/*
 * Asks instances about sessions, each question once however many wait for it (single flight), and remembers the answers
 * for a moment. Sends an instance the cookies that it is given and no others. The pairer's.
 */
#pragma once

#include "ingress/pairing/instance_call.h"
#include "ingress/pairing/session_cache.h"

struct session_looks;

/* Somebody who waits for an answer; part of its owner's structure. */
struct look_waiter {
    struct look_waiter *next; /* among those who wait for the same */
    struct look *look;        /* NULL: it waits for nothing */
    void (*on_answer)(struct look_waiter *waiter, enum session_verdict verdict);
};

struct session_looks *session_looks_new(void); /* NULL without memory */
void session_looks_free(struct session_looks *looks);
void session_looks_set_times(struct session_looks *looks, struct call_times times);

/*
 * Asks, or waits with who has asked: 0, and `on_answer` is called from the loop unless look_cancel comes first; by then
 * what was told of the cookie's name is in the cache. 1 when the answer was known: it is in `*ret_verdict`, nothing
 * will come. -EBUSY when too much is being asked, or -errno: nobody knows.
 */
int look_start(struct session_looks *looks, struct target *target, struct slice cookies, struct look_waiter *waiter,
               enum session_verdict *ret_verdict);
void look_cancel(struct look_waiter *waiter);

/* As session_cache_name. */
bool session_looks_name(struct session_looks *looks, const struct target *target, struct slice *ret);
