/*
 * A WebSocket server's frames (RFC 6455 §5.2), cut strictly out of bytes that come in pieces: what a server may not
 * send is a fault, and nothing is guessed. Allocates nothing, changes no byte; the keeper looks through it at what an
 * upstream says. No extension is known: none was agreed on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define WEBSOCKET_HEAD_MAX 10     /* of a frame without a mask */
#define WEBSOCKET_CONTROL_MAX 125 /* of a control frame's payload (§5.5) */

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

struct websocket_cutter {
    unsigned char head[WEBSOCKET_HEAD_MAX];
    uint8_t n_head; /* that have come */
    uint8_t opcode;
    bool is_final;      /* the frame at hand is its message's last */
    bool is_in_payload; /* of the frame at hand */
    bool is_in_message; /* its last frame has not come */
    bool has_closed;    /* a close frame has passed, whole: nothing that comes is looked at any more */
    uint64_t left;      /* of the payload */
    const char *fault;  /* what was wrong; a constant */
};

/* A part of a frame. */
struct websocket_piece {
    struct slice head;    /* the whole head, where the frame has just begun; looks into the cutter; else empty */
    struct slice payload; /* what is there of it; may be empty */
    uint8_t opcode;       /* of the frame: a continuation's is WEBSOCKET_CONTINUATION */
    bool is_control;
    bool is_frame_end;
    bool is_message_end; /* with is_frame_end, of a frame that is no control frame */
};

/* Takes the next piece off the front of `rest`. 1 with a piece, 0 when all is taken, -EPROTO and `fault`. */
int websocket_cut(struct websocket_cutter *cutter, struct slice *rest, struct websocket_piece *ret);

/* Whether a close frame of our own may be put in here. */
bool websocket_cutter_is_at_border(const struct websocket_cutter *cutter);
