/*
 * What the hub's frames say: libwslay takes them apart, and answers pings and closes; this gathers a message, refuses what
 * is wrong with its code, and wipes what was heard. Reads nothing itself. Used by frames.c.
 */
#pragma once

#include <wslay/wslay.h>

#include "base/buf.h"
#include "wire/websocket.h"

/* None may call frames_in_done. */
struct frames_in_events {
    void (*text)(void *owner, struct slice message); /* valid during the call */
    void (*pong)(void *owner, struct slice payload);
    void (*frame)(void *owner); /* one is whole */
};

struct frames_in {
    wslay_event_context_ptr wslay;
    struct websocket_flow flow; /* libwslay tells of a frame only when the first of its payload has come */
    struct slice piece;         /* what of it libwslay has not had yet */
    struct buf message;         /* as far as it has come */
    uint8_t opcode;             /* of the frame that comes */
    char close[125];            /* the payload of a close frame, which is never longer */
    size_t n_close;
    uint16_t code; /* to be answered: what came is wrong, or the hub closes; 0 before */
    char why[192]; /* no more is heard */
    struct buf *answers;
    const struct frames_in_events *events;
    void *owner;
};

/* `answers` is where answers go, as whole frames; it has a cap. 0 or -ENOMEM; either way frames_in_done frees it. */
int frames_in_init(struct frames_in *in, struct buf *answers, const struct frames_in_events *events, void *owner);
void frames_in_done(struct frames_in *in);

enum frames_verdict {
    FRAMES_GO_ON,
    FRAMES_END,      /* as `why` says: the hub is to be told `code` */
    FRAMES_ANSWERED, /* likewise, and the answers say so already */
};

/* Hears the next bytes. Behind any verdict but the first, nothing is heard any more. */
enum frames_verdict frames_in_take(struct frames_in *in, struct slice bytes);

/* Nothing is heard any more: also from inside an event. */
void frames_in_stop(struct frames_in *in);

/* Random bytes for a mask (RFC 6455 §5.3). 0 or -1 */
int frames_mask(uint8_t *to, size_t size);
