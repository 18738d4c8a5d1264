/*
 * One request to an instance, on a connection of its own, and all of its answer: connects by address, by unix socket or
 * by name, writes what it is given, and collects status, Set-Cookie and a bounded body. Never follows, never retries,
 * never logs. Called by the pairer and by `credfd dispatch check`, both of which trust no instance.
 */
#pragma once

#include "base/limits.h"
#include "ingress/table/table.h"

struct instance_call;

enum call_end {
    CALL_ANSWERED,    /* the answer is whole */
    CALL_UNREACHABLE, /* there was no connection */
    CALL_BROKEN,      /* there was one, and no whole answer that is HTTP: cut off, or garbage */
    CALL_SILENT,      /* there was one, and no whole answer in time */
    CALL_TOO_LONG,    /* more than LIMIT_INSTANCE_ANSWER, or more cookies than LIMIT_SET_COOKIES and LIMIT_COOKIE */
};

/* Valid during `done`. */
struct call_answer {
    enum call_end end;
    const char *reason; /* a constant; NULL when it was answered */
    unsigned status;
    struct slice body;
    struct slice set_cookies[LIMIT_SET_COOKIES]; /* as sent */
    size_t n_set_cookies;
};

typedef void call_done(void *owner, const struct call_answer *answer);

struct call_times {
    uint64_t connect_ms, response_ms; /* for a connection; from then on for the whole answer */
};

/*
 * `request` is a whole request with a GET's or a POST's framing, copied and wiped afterwards; an empty one only
 * connects, and is CALL_ANSWERED then. `instance` is copied as far as it is needed. `done` is called from the loop,
 * exactly once unless instance_call_cancel comes first; the call is gone then. 0 or -ENOMEM.
 */
int instance_call_start(const struct instance *instance, struct slice request, struct call_times times, call_done *done,
                        void *owner, struct instance_call **ret);
void instance_call_cancel(struct instance_call *call); /* NULL is fine */

/*
 * Right after its start: the request asks to become a WebSocket with `key` (Sec-WebSocket-Key's value), and a 101 that
 * answers it is CALL_ANSWERED with status 101.
 */
void instance_call_expect_switch(struct instance_call *call, struct slice key);
