#include "fleet/link/frames_in.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/limits.h"
#include "base/macros.h"

static const struct {
    uint16_t code;
    const char *what;
} refusals[] = {
    {WSLAY_CODE_PROTOCOL_ERROR, "sent a frame that is none"},
    {WSLAY_CODE_UNSUPPORTED_DATA, "sent a binary message"},
    {WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "sent text that is not UTF-8"},
    {WSLAY_CODE_MESSAGE_TOO_BIG, "sent a message that is too long"},
    {WSLAY_CODE_INTERNAL_SERVER_ERROR, "sent what there is no memory for"},
};

/* A system call for many of them: a hub that asks and asks costs little. */
int frames_mask(uint8_t *to, size_t size) {
    static uint8_t drawn[256]; /* so many come all or not at all (getrandom(2)) */
    static size_t left;

    if (size > sizeof(drawn))
        return -1;
    if (size > left) {
        if (getrandom(drawn, sizeof(drawn), 0) != sizeof(drawn))
            return -1;
        left = sizeof(drawn);
    }
    left -= size;
    memcpy(to, drawn + left, size);
    return 0;
}

static int on_mask(wslay_event_context_ptr wslay, uint8_t *to, size_t size, void *user) {
    (void)wslay;
    (void)user;
    return frames_mask(to, size);
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t size, int flags, void *user) {
    struct frames_in *in = user;

    (void)flags;
    if (buf_append(in->answers, slice_of(bytes, size)) == 0)
        return (ssize_t)size;
    wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* All of the room that is offered is free in libwslay's buffer: what lay there was heard, and may have been a key. */
static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *to, size_t size, int flags, void *user) {
    struct frames_in *in = user;
    size_t n = MIN_OF(size, in->piece.n);

    (void)flags;
    explicit_bzero(to, size);
    if (n == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, in->piece.p, n);
    in->piece = slice_from(in->piece, n);
    return (ssize_t)n;
}

void frames_in_stop(struct frames_in *in) {
    wslay_event_shutdown_read(in->wslay);
}

/* What came is wrong, or the last: nothing counts any more. */
static void end(struct frames_in *in, uint16_t code) {
    if (in->code == 0)
        in->code = code;
    frames_in_stop(in);
}

static void on_frame_start(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_start_arg *frame,
                           void *user) {
    struct frames_in *in = user;

    (void)wslay;
    in->opcode = frame->opcode;
    if (frame->opcode == WSLAY_BINARY_FRAME)
        end(in, WSLAY_CODE_UNSUPPORTED_DATA);
    else if (!wslay_is_ctrl_frame(frame->opcode) && frame->payload_length > buf_room(&in->message))
        end(in, WSLAY_CODE_MESSAGE_TOO_BIG);
}

static void on_chunk(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_chunk_arg *chunk,
                     void *user) {
    struct frames_in *in = user;
    size_t n = MIN_OF(chunk->data_length, sizeof(in->close) - in->n_close);

    (void)wslay;
    if (in->opcode == WSLAY_CONNECTION_CLOSE && n > 0) {
        memcpy(in->close + in->n_close, chunk->data, n);
        in->n_close += n;
    }
    if (!wslay_is_ctrl_frame(in->opcode) && in->code == 0 &&
        buf_append(&in->message, slice_of(chunk->data, chunk->data_length)) < 0)
        end(in, WSLAY_CODE_INTERNAL_SERVER_ERROR);
}

/* RFC 6455 §7.4: those that may stand in a frame, with the registry's later ones, which libwslay does not know. */
static bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* The hub closes, and is answered in its own words (RFC 6455 §5.5.1). */
static void hear_close(struct frames_in *in) {
    struct slice payload = slice_of(in->close, in->n_close), reason = slice_from(payload, 2);
    unsigned code = WSLAY_CODE_NORMAL_CLOSURE;

    if (payload.n >= 2)
        code = (unsigned)(unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1];
    if (payload.n == 1 || !is_close_code(code)) {
        end(in, WSLAY_CODE_PROTOCOL_ERROR);
        return;
    }
    (void)snprintf(in->why, sizeof(in->why), payload.n > 0 ? "the hub closed it: %u%s%.*s" : "the hub closed it", code,
                   reason.n > 0 ? ", " : "", SLICE_ARG(reason));
    end(in, (uint16_t)code);
}

static void on_frame_end(wslay_event_context_ptr wslay, void *user) {
    struct frames_in *in = user;

    (void)wslay;
    if (in->code != 0)
        return;
    in->events->frame(in->owner);
    if (in->opcode == WSLAY_CONNECTION_CLOSE)
        hear_close(in);
}

static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *message, void *user) {
    struct frames_in *in = user;

    (void)wslay;
    if (in->code != 0)
        return;
    if (message->opcode == WSLAY_TEXT_FRAME) {
        in->events->text(in->owner, buf_slice(&in->message));
        buf_release(&in->message);
    } else if (message->opcode == WSLAY_PONG) {
        in->events->pong(in->owner, slice_of(message->msg, message->msg_length));
    }
}

int frames_in_init(struct frames_in *in, struct buf *answers, const struct frames_in_events *events, void *owner) {
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_frame_recv_start_callback = on_frame_start,
                                                           .on_frame_recv_chunk_callback = on_chunk,
                                                           .on_frame_recv_end_callback = on_frame_end,
                                                           .on_msg_recv_callback = on_message};

    *in = (struct frames_in){.answers = answers, .events = events, .owner = owner};
    buf_init_secret(&in->message, LIMIT_FRAME);
    websocket_flow_init(&in->flow, false);
    if (wslay_event_context_client_init(&in->wslay, &callbacks, in) != 0)
        return -ENOMEM;
    wslay_event_config_set_no_buffering(in->wslay, 1); /* it would not wipe what it has gathered */
    wslay_event_config_set_max_recv_msg_length(in->wslay, LIMIT_FRAME);
    return 0;
}

void frames_in_done(struct frames_in *in) {
    if (in->wslay)
        wslay_event_context_free(in->wslay);
    in->wslay = NULL;
    buf_release(&in->message);
}

static void explain(struct frames_in *in) {
    const char *what = "sent what is not allowed";

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (refusals[i].code == in->code)
            what = refusals[i].what;
    if (in->why[0] == '\0')
        (void)snprintf(in->why, sizeof(in->why), "the hub %s, and was told so (%u)", what, in->code);
}

enum frames_verdict frames_in_take(struct frames_in *in, struct slice bytes) {
    enum frames_verdict verdict = FRAMES_END;
    int r;

    in->piece = bytes;
    r = wslay_event_recv(in->wslay);
    websocket_flow_pass(&in->flow, bytes);
    if (r == 0 && !wslay_is_ctrl_frame(in->flow.opcode) && websocket_flow_to_border(&in->flow) > buf_room(&in->message))
        end(in, WSLAY_CODE_MESSAGE_TOO_BIG); /* as it says itself, before it has come */
    if (r == 0 && in->code == 0)
        r = wslay_event_send(in->wslay);
    if (r != 0) /* where a frame's head is wrong, libwslay goes away without a code */
        end(in, r == WSLAY_ERR_NOMEM ? WSLAY_CODE_INTERNAL_SERVER_ERROR : WSLAY_CODE_PROTOCOL_ERROR);
    if (in->code == 0 && wslay_event_get_close_sent(in->wslay)) {
        in->code = wslay_event_get_status_code_sent(in->wslay);
        verdict = FRAMES_ANSWERED;
    }
    if (in->code == 0)
        return FRAMES_GO_ON;
    explain(in);
    return verdict;
}
