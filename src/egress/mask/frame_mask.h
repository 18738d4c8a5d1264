/*
 * What of a WebSocket reaches the workload: the frames of an upstream, with the secret overwritten in each message
 * (over all of its fragments), in close reasons and in pings. No length and no order changes; held back is what may be
 * the beginning of the secret, and whatever comes behind it, to the message's end at the most. Only the keeper calls it.
 */
#pragma once

#include "egress/mask/mask.h"
#include "wire/websocket_cutter.h"

struct frame_mask {
    const struct mask *mask; /* NULL: frames are followed, and nothing is overwritten */
    struct websocket_cutter cutter;
    struct mask_stream text; /* of the message at hand */
    bool is_in_text;
    uint64_t taken, given; /* bytes of the message's payload that have come, that have gone */
    struct buf marks;      /* heads and control frames that wait for payload before them to go */
    struct buf control;    /* a control frame that is still coming */
    size_t found;          /* places that were overwritten, in messages that have ended and in control frames */
    const char *fault;     /* a constant, after -EPROTO */
};

/* `mask`, or NULL, outlives it. */
void frame_mask_begin(struct frame_mask *f, const struct mask *mask);
void frame_mask_done(struct frame_mask *f);

/*
 * The next bytes of the upstream, which are changed; what may go out is appended to `out`. 0, -EPROTO when they are no
 * frames that a server may send (what stood before the fault has gone to `out`), -ENOBUFS, -ENOMEM.
 */
int frame_mask_pass(struct frame_mask *f, char *bytes, size_t n, struct buf *out);

/* Places overwritten so far. */
uint64_t frame_mask_found(const struct frame_mask *f);

/* Nothing is held back and a frame has ended: a close frame of our own may go out. */
bool frame_mask_is_at_border(const struct frame_mask *f);
