/*
 * /probe/ws: a WebSocket that echoes what it is sent, and is closed after TIMEOUT_PROBE_SILENCE without a frame: for
 * front proxies' own checks. Frames are libwslay's business. Holds no more than one message, of LIMIT_PROBE_MESSAGE, in
 * each direction: what the client does not take, keeps it from sending more. Says nothing of instances or people.
 */
#pragma once

#include "net/stream.h"

/*
 * Takes a client's stream over, behind the 101 that it was sent, with the bytes that came early. `done` is called from
 * the loop when it has ended. 0, -EBUSY (there are LIMIT_PROBES) or -errno: then the stream is closed.
 */
int probe_start(struct stream *client, struct slice early, void (*done)(void));

/* Every probe gets a close frame 1001 and ends: at a drain's deadline. */
void probe_end_all(void);
unsigned probe_count(void);
