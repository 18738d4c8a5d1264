#include "egress/mask/frame_mask.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/weaken.h"

/*
 * A head, or a whole control frame, that goes out when so much of the message's payload has. They follow each other in
 * `marks`, each with its bytes behind it.
 */
struct mark {
    uint64_t at;
    size_t n;
};

#define MARKS_MAX LIMIT_READ /* an upstream that sends more fragments than that, with next to nothing in them, is cut */

void frame_mask_begin(struct frame_mask *f, const struct mask *mask) {
    *f = (struct frame_mask){.mask = WEAKENED(SOCKET) ? NULL : mask};
    buf_init(&f->marks, MARKS_MAX);
    buf_init_secret(&f->control, WEBSOCKET_HEAD_MAX + WEBSOCKET_CONTROL_MAX);
}

static void end_text(struct frame_mask *f) {
    if (!f->is_in_text)
        return;
    f->found += mask_stream_found(&f->text);
    mask_stream_done(&f->text);
    f->is_in_text = false;
}

void frame_mask_done(struct frame_mask *f) {
    end_text(f);
    buf_release(&f->marks);
    buf_release(&f->control);
}

/* Goes out at once where nothing before it is held back, else in its turn. */
static int put_mark(struct frame_mask *f, struct slice bytes, struct buf *out) {
    struct mark mark = {.at = f->taken, .n = bytes.n};
    struct slice parts[] = {slice_of(&mark, sizeof(mark)), bytes};

    if (f->taken == f->given)
        return buf_append(out, bytes);
    return buf_append_rest(&f->marks, parts, ARRAY_LEN(parts), 0);
}

/* The first mark that waits. False when there is none. */
static bool first_mark(const struct frame_mask *f, struct mark *ret) {
    if (buf_length(&f->marks) < sizeof(*ret))
        return false;
    memcpy(ret, f->marks.memory + f->marks.start, sizeof(*ret));
    return true;
}

/* Those whose turn has come. */
static int give_marks(struct frame_mask *f, struct buf *out) {
    struct mark mark;
    int r = 0;

    while (r == 0 && first_mark(f, &mark) && mark.at == f->given) {
        r = buf_append(out, slice_first(slice_from(buf_slice(&f->marks), sizeof(mark)), mark.n));
        buf_consume(&f->marks, sizeof(mark) + mark.n);
    }
    if (buf_is_empty(&f->marks))
        buf_release(&f->marks);
    return r;
}

/* Payload that is ready goes out, with the marks in between. */
static int give_text(struct frame_mask *f, struct buf *out) {
    int r = 0;

    while (r == 0 && !mask_stream_is_drained(&f->text)) {
        struct mark mark;
        size_t max = first_mark(f, &mark) ? (size_t)MIN_OF(mark.at - f->given, (uint64_t)LIMIT_READ) : LIMIT_READ;
        struct slice next = mask_stream_pull(&f->text, max);

        f->given += next.n;
        r = buf_append(out, next);
        if (r == 0)
            r = give_marks(f, out);
    }
    return r;
}

static int pass_text(struct frame_mask *f, char *bytes, const struct websocket_piece *piece, struct buf *out) {
    int r;

    if (!f->mask)
        return buf_append(out, piece->payload);
    if (!f->is_in_text) {
        mask_stream_init(&f->text, f->mask);
        f->is_in_text = true;
    }
    f->taken += piece->payload.n;
    r = mask_stream_push(&f->text, bytes, piece->payload.n, piece->is_message_end);
    if (r == 0)
        r = give_text(f, out);
    if (r == 0 && piece->is_message_end) {
        end_text(f);
        f->taken = f->given = 0;
    }
    return r;
}

/* The message at hand will not go on: what is held back of it goes out before the close frame does. */
static int break_off(struct frame_mask *f, struct buf *out) {
    int r = f->is_in_text ? mask_stream_push(&f->text, NULL, 0, true) : 0;

    return r == 0 && f->is_in_text ? give_text(f, out) : r;
}

/* Behind a close frame's code stand words (§5.5.1); a ping's payload is all its own. */
static int pass_control(struct frame_mask *f, const struct websocket_piece *piece, struct buf *out) {
    size_t skip = 2 + (piece->opcode == WEBSOCKET_CLOSE ? 2 : 0);
    int r = buf_append(&f->control, piece->head);

    if (r == 0)
        r = buf_append(&f->control, piece->payload);
    if (r < 0 || !piece->is_frame_end)
        return r;
    if (piece->opcode == WEBSOCKET_CLOSE) {
        r = break_off(f, out);
        if (r < 0)
            return r;
    }
    if (f->mask && buf_length(&f->control) > skip)
        f->found += mask_apply(f->mask, f->control.memory + f->control.start + skip, buf_length(&f->control) - skip);
    r = put_mark(f, buf_slice(&f->control), out);
    buf_release(&f->control);
    return r;
}

int frame_mask_pass(struct frame_mask *f, char *bytes, size_t n, struct buf *out) {
    struct slice rest = slice_of(bytes, n);
    struct websocket_piece piece;
    int r;

    while ((r = websocket_cut(&f->cutter, &rest, &piece)) == 1) {
        if (piece.is_control) {
            r = pass_control(f, &piece, out);
        } else {
            r = piece.head.n > 0 ? put_mark(f, piece.head, out) : 0;
            if (r == 0)
                r = pass_text(f, bytes + (piece.payload.n > 0 ? piece.payload.p - bytes : 0), &piece, out);
        }
        if (r < 0)
            break;
    }
    if (r == -EPROTO)
        f->fault = f->cutter.fault;
    return r;
}

uint64_t frame_mask_found(const struct frame_mask *f) {
    return f->found + (f->is_in_text ? mask_stream_found(&f->text) : 0);
}

bool frame_mask_is_at_border(const struct frame_mask *f) {
    return websocket_cutter_is_at_border(&f->cutter) && f->taken == f->given;
}
