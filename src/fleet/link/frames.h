/*
 * A WebSocket to the hub, from its first frame to its last: messages of text in, messages of text out, and what RFC 6455
 * asks for between: pings are answered, what is wrong is refused with its code, closes are answered. Frames are libwslay's
 * business. Knows no message. Whatever came in is wiped when it was heard. Used by hub.c.
 *
 * What is sent waits in one buffer, whole frames only, so that answers to pings and a close find their place between them.
 */
#pragma once

#include "base/buf.h"
#include "net/stream.h"

struct frames;

/* All are called from the loop, and none may call frames_free. */
struct frames_events {
    void (*text)(void *owner, struct slice message); /* valid during the call */
    void (*pong)(void *owner, struct slice payload);
    void (*clear)(void *owner);                 /* what waited has left: more may be sent */
    void (*over)(void *owner, const char *why); /* it has ended; the frames are gone when this returns */
};

/*
 * Takes the stream behind its handshake, also on failure, with the bytes that came early. The hub has TIMEOUT_HUB_SILENCE
 * from one frame to the next, and is asked by a ping (as the last of ours) at half of it; and TIMEOUT_HUB_WRITE to take
 * some of what waits. 0 with `*ret` the caller's, or -errno.
 */
int frames_open(struct stream *stream, struct slice early, const struct frames_events *events, void *owner,
                struct frames **ret);

/* Breaks off, without a word. NULL is fine. */
void frames_free(struct frames *frames);

/*
 * One message of text, of `parts` one behind the other, LIMIT_FRAME in all. 0, -EMSGSIZE (also: too much
 * waits), -EPIPE (it is closing) or -ENOMEM.
 */
int frames_send(struct frames *frames, const struct slice *parts, size_t n_parts);

/* A ping, whose answer is told as `pong`. `payload` is 0 to 125 bytes. 0 or -errno as above. */
int frames_ping(struct frames *frames, struct slice payload);

/* Bytes that the hub has not taken yet. */
size_t frames_waiting(const struct frames *frames);

/* Says goodbye with `code` behind what waits; then `over` comes with `why`, a constant, at TIMEOUT_LINGER the latest. */
void frames_close(struct frames *frames, uint16_t code, const char *why);
