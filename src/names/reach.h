/*
 * A connection to a server by its name: resolve, judge every address, connect to a judged one, shake hands, verify; all
 * of it in a bounded time. Keeps no connection and speaks nothing on it. Used by the keeper, and by the verifier.
 */
#pragma once

#include "net/address.h"
#include "net/tls.h"

struct reach;

struct reach_plan {
    const char *host; /* a name, or an address without brackets */
    uint16_t port;
    struct tls_context *tls;       /* NULL: without */
    struct tls_sessions *sessions; /* to resume, and to be kept; NULL only without TLS */
    /*
     * Whether one of the addresses that a name stands for may be connected to. Not asked about an address that stands
     * in the place of the name, nor about localhost: they say by themselves what they mean. An address of this machine
     * may be reached if 127.0.0.1 may, too. NULL: each may.
     */
    bool (*may_reach)(void *owner, const struct address *address);
    uint64_t timeout_ms;
};

/*
 * `stream` is there during the call only, to be moved elsewhere; or NULL, and then `status` (502, 503 or 504) and the
 * constant `reason` say why, and `details`, where it is not NULL, what the resolver said. The reach is gone.
 */
typedef void reach_done(void *owner, struct stream *stream, unsigned status, const char *reason, const char *details);

/*
 * `plan` and what it points to outlive it. `done` is called once, from the loop, unless reach_cancel comes first. NULL
 * without memory.
 */
struct reach *reach_start(const struct reach_plan *plan, reach_done *done, void *owner);

/* NULL is fine. */
void reach_cancel(struct reach *reach);
