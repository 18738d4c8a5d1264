#include "wire/websocket_cutter.h"

#include <errno.h>

#include "base/macros.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f

static bool is_control(unsigned opcode) {
    return opcode >= WEBSOCKET_CLOSE;
}

static bool is_known(unsigned opcode) {
    return opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

/* Of the first byte; NULL when it is in order. */
static const char *judge_first(const struct websocket_cutter *c, unsigned first) {
    unsigned opcode = first & OPCODE;

    if (first & RESERVED)
        return "the upstream sent a frame of an extension that was not agreed on";
    if (!is_known(opcode))
        return "the upstream sent a frame of an unknown kind";
    if (is_control(opcode))
        return first & FIN ? NULL : "the upstream sent a control frame in parts";
    if ((opcode == WEBSOCKET_CONTINUATION) != c->is_in_message)
        return c->is_in_message ? "the upstream began a message inside of another"
                                : "the upstream continued no message";
    return NULL;
}

static const char *judge_second(unsigned first, unsigned second) {
    if (second & MASKED)
        return "the upstream sent a masked frame";
    if (is_control(first & OPCODE) && (second & LENGTH) > WEBSOCKET_CONTROL_MAX)
        return "the upstream sent a control frame that is too long";
    return NULL;
}

/* How long the head will be, as far as its first two bytes tell. */
static size_t head_length(const struct websocket_cutter *c) {
    unsigned length = c->n_head < 2 ? 0U : c->head[1] & LENGTH;

    return length <= WEBSOCKET_CONTROL_MAX ? 2 : length == WEBSOCKET_CONTROL_MAX + 1 ? 4 : 10;
}

/* §5.2: the shortest form that holds it, and its first bit is zero. */
static const char *read_length(struct websocket_cutter *c) {
    uint64_t length = 0;

    for (size_t i = 2; i < c->n_head; i++)
        length = length << 8 | c->head[i];
    if (c->n_head == 2)
        length = c->head[1] & LENGTH;
    else if (length > INT64_MAX || length <= (c->n_head == 4 ? (uint64_t)WEBSOCKET_CONTROL_MAX : UINT16_MAX))
        return "the upstream sent a frame with an ill-formed length";
    c->left = length;
    return NULL;
}

static const char *take_byte(struct websocket_cutter *c, unsigned char byte) {
    const char *fault = NULL;

    c->head[c->n_head++] = byte;
    if (c->n_head == 1)
        fault = judge_first(c, byte);
    else if (c->n_head == 2)
        fault = judge_second(c->head[0], byte);
    if (!fault && c->n_head >= 2 && c->n_head == head_length(c))
        fault = read_length(c);
    return fault;
}

static void begin_payload(struct websocket_cutter *c) {
    c->opcode = c->head[0] & OPCODE;
    c->is_final = (c->head[0] & FIN) != 0;
    c->is_in_payload = true;
    if (!is_control(c->opcode))
        c->is_in_message = !c->is_final;
}

/* Returns whether the head is whole; -EPROTO. */
static int take_head(struct websocket_cutter *c, struct slice *rest) {
    while (rest->n > 0 && (c->n_head < 2 || c->n_head < head_length(c))) {
        c->fault = take_byte(c, (unsigned char)rest->p[0]);
        if (c->fault)
            return -EPROTO;
        *rest = slice_from(*rest, 1);
    }
    return c->n_head >= 2 && c->n_head == head_length(c);
}

int websocket_cut(struct websocket_cutter *c, struct slice *rest, struct websocket_piece *ret) {
    struct websocket_piece piece = {0};
    int r;

    if (c->fault)
        return -EPROTO;
    if (c->has_closed) /* §5.5.1: it may send no more; what it sends is no frame */
        *rest = SLICE_EMPTY;
    if (rest->n == 0)
        return 0;
    if (!c->is_in_payload) {
        r = take_head(c, rest);
        if (r != 1)
            return r;
        begin_payload(c);
        piece.head = slice_of(c->head, c->n_head);
    }
    piece.payload = slice_first(*rest, (size_t)MIN_OF(c->left, (uint64_t)rest->n));
    *rest = slice_from(*rest, piece.payload.n);
    c->left -= piece.payload.n;
    piece.opcode = c->opcode;
    piece.is_control = is_control(c->opcode);
    piece.is_frame_end = c->left == 0;
    piece.is_message_end = piece.is_frame_end && c->is_final && !piece.is_control;
    if (piece.is_frame_end) {
        c->is_in_payload = false;
        c->n_head = 0;
        c->has_closed = c->opcode == WEBSOCKET_CLOSE;
    }
    *ret = piece;
    return 1;
}

bool websocket_cutter_is_at_border(const struct websocket_cutter *c) {
    return c->n_head == 0 && !c->is_in_payload && !c->has_closed && !c->fault;
}
