/*
 * The opening handshake with the hub (RFC 6455 §4.1), on a connection that stands: the one place where the token is
 * written, into memory that is wiped when it has left. Offers no extension and takes none, follows no redirect. Used by
 * hub.c.
 */
#pragma once

#include "base/secret.h"
#include "net/stream.h"
#include "wire/uri.h"

struct handshake;

struct handshake_plan {
    const struct uri_upstream *hub;
    const struct secret *token;
    bool has_broker; /* the broker works here, and the hub is told */
    const char *version;
};

/*
 * `stream` is there during the call only, to be moved elsewhere, and `early` is what the hub has said behind its answer;
 * or NULL, and then `why` says why not. The handshake is gone.
 */
typedef void handshake_done(void *owner, struct stream *stream, struct slice early, const char *why);

/*
 * Takes `stream` over, also on failure. `plan` is looked at during the call only. `done` is called once, from the loop,
 * unless handshake_cancel comes first. NULL: no memory, or the request cannot be written.
 */
struct handshake *handshake_start(const struct handshake_plan *plan, struct stream *stream, handshake_done *done,
                                  void *owner);

/* NULL is fine. */
void handshake_cancel(struct handshake *handshake);
