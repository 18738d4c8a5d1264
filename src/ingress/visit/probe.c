#include "ingress/visit/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"

/*
 * Bytes that are looked at before answers go out: a ping of six bytes asks for a pong, which libwslay allocates. So much
 * may be waiting of those, and of one message.
 */
#define PIECE 4096
#define PIECES_A_TURN 16 /* then others have theirs */

enum probe_state {
    WAIT_FRAME,   /* from the client, or for it to take ours */
    WAIT_GOODBYE, /* for the client to take our close frame */
    WAIT_END,     /* for the client to close, so that it could read our last frame */
};

struct probe {
    struct stream stream;
    wslay_event_context_ptr frames;
    enum probe_state state;
    struct buf early;
    struct slice input; /* what of a piece libwslay has not had yet */
    struct timer timer; /* of silence; then of the end */
    size_t drained;
    void (*done)(void);
    struct probe *next, **at; /* of all; where the pointer to this one stands */
};

static struct probe *probes;
static unsigned n_probes;

static void probe_free(struct probe *p) {
    if (p->frames)
        wslay_event_context_free(p->frames);
    buf_release(&p->early);
    free(p);
}

static void finish(struct probe *p) {
    void (*done)(void) = p->done;

    timer_cancel(&p->timer);
    stream_done(&p->stream);
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    n_probes--;
    probe_free(p);
    done();
}

static void wait_end(struct probe *p) {
    p->state = WAIT_END;
    stream_shut_write(&p->stream);
    timer_set(&p->timer, TIMEOUT_LINGER);
}

static ssize_t on_recv(wslay_event_context_ptr frames, uint8_t *to, size_t size, int flags, void *user) {
    struct probe *p = user;
    size_t n = MIN_OF(size, p->input.n);

    (void)flags;
    if (n == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, p->input.p, n);
    p->input = slice_from(p->input, n);
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags, void *user) {
    struct probe *p = user;
    struct slice part = slice_of(bytes, size);
    ssize_t n = stream_write(&p->stream, &part, 1);

    (void)flags;
    if (n < 0)
        wslay_event_set_error(frames, n == -EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return n < 0 ? -1 : n;
}

static void on_frame(wslay_event_context_ptr frames, void *user) {
    struct probe *p = user;

    (void)frames;
    if (p->state == WAIT_FRAME)
        timer_set(&p->timer, TIMEOUT_PROBE_SILENCE);
}

/* A ping and a close are answered by libwslay itself. Without memory for the echo there is none. */
static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *user) {
    struct wslay_event_msg echo = {.opcode = message->opcode, .msg = message->msg, .msg_length = message->msg_length};

    (void)user;
    if (!wslay_is_ctrl_frame(message->opcode))
        (void)wslay_event_queue_msg(frames, &echo);
}

static int open_frames(struct probe *p) {
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .on_frame_recv_end_callback = on_frame,
                                                           .on_msg_recv_callback = on_message};

    if (wslay_event_context_server_init(&p->frames, &callbacks, p) != 0)
        return -ENOMEM;
    wslay_event_config_set_max_recv_msg_length(p->frames, LIMIT_PROBE_MESSAGE);
    return 0;
}

/*
 * Where a frame's header is wrong, libwslay goes away without a code. A context that knows nothing of that frame says
 * it; what waited in the old one had not begun to be sent.
 */
static bool refuse_frames(struct probe *p) {
    wslay_event_context_free(p->frames);
    p->frames = NULL;
    if (open_frames(p) < 0)
        return false;
    p->state = WAIT_GOODBYE;
    timer_set(&p->timer, TIMEOUT_LINGER);
    return wslay_event_queue_close(p->frames, WSLAY_CODE_PROTOCOL_ERROR, NULL, 0) == 0;
}

/* The next piece for libwslay: 1; 0 at the end of the stream; -EAGAIN or -errno. `memory` holds PIECE bytes. */
static ssize_t take_piece(struct probe *p, char *memory) {
    struct slice early = slice_first(buf_slice(&p->early), PIECE);
    ssize_t n;

    if (early.n > 0) {
        memcpy(memory, early.p, early.n);
        buf_consume(&p->early, early.n);
        n = (ssize_t)early.n;
    } else {
        buf_release(&p->early);
        n = stream_read(&p->stream, memory, PIECE);
    }
    p->input = slice_of(memory, n > 0 ? (size_t)n : 0);
    return n > 0 ? 1 : n;
}

/* True when it goes on with the next piece. */
static bool step_frames(struct probe *p) {
    char memory[PIECE];
    ssize_t r;

    if (wslay_event_send(p->frames) != 0) {
        finish(p);
        return false;
    }
    if (wslay_event_want_write(p->frames))
        return false;
    if (!wslay_event_want_read(p->frames) || p->state == WAIT_GOODBYE) {
        wait_end(p);
        return true;
    }
    r = take_piece(p, memory);
    if (r == -EAGAIN)
        return false;
    if (r <= 0 || (wslay_event_recv(p->frames) != 0 && !refuse_frames(p))) {
        finish(p);
        return false;
    }
    return true;
}

static bool step_end(struct probe *p) {
    char memory[PIECE];
    ssize_t n = stream_read(&p->stream, memory, sizeof(memory));

    if (n > 0)
        p->drained += (size_t)n;
    if (n == -EAGAIN)
        return false;
    if (n <= 0 || p->drained > LIMIT_DRAIN) {
        finish(p);
        return false;
    }
    return true;
}

static bool (*const steps[])(struct probe *p) = {
    [WAIT_FRAME] = step_frames, [WAIT_GOODBYE] = step_frames, [WAIT_END] = step_end};

static void step(struct probe *p) {
    for (unsigned i = 0; i < PIECES_A_TURN; i++)
        if (!steps[p->state](p))
            return;
    watch_again(&p->stream.watch);
}

static void on_ready(struct watch *watch) {
    step(container_of(watch, struct probe, stream.watch));
}

/* A close frame, behind what is on its way; the client has TIMEOUT_LINGER to take it. */
static void say_goodbye(struct probe *p) {
    if (p->state != WAIT_FRAME)
        return;
    (void)wslay_event_queue_close(p->frames, WSLAY_CODE_GOING_AWAY, NULL, 0);
    p->state = WAIT_GOODBYE;
    timer_set(&p->timer, TIMEOUT_LINGER);
    step(p);
}

static void on_expiry(struct timer *timer) {
    struct probe *p = container_of(timer, struct probe, timer);

    if (p->state == WAIT_FRAME)
        say_goodbye(p);
    else
        finish(p);
}

static struct probe *probe_new(struct slice early) {
    struct probe *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    buf_init(&p->early, LIMIT_HEAD + LIMIT_READ);
    if (open_frames(p) == 0 && buf_append(&p->early, early) == 0)
        return p;
    probe_free(p);
    return NULL;
}

int probe_start(struct stream *client, struct slice early, void (*done)(void)) {
    struct probe *p = n_probes < LIMIT_PROBES ? probe_new(early) : NULL;
    int r;

    if (!p) {
        stream_done(client);
        return n_probes < LIMIT_PROBES ? -ENOMEM : -EBUSY;
    }
    r = stream_move(client, &p->stream, on_ready);
    if (r < 0) {
        probe_free(p);
        return r;
    }
    p->done = done;
    p->timer.on_expiry = on_expiry;
    timer_set(&p->timer, TIMEOUT_PROBE_SILENCE);
    p->next = probes;
    p->at = &probes;
    if (p->next)
        p->next->at = &p->next;
    probes = p;
    n_probes++;
    watch_again(&p->stream.watch); /* for what came early */
    return 0;
}

void probe_end_all(void) {
    for (struct probe *p = probes, *next; p; p = next) {
        next = p->next;
        say_goodbye(p);
    }
}

unsigned probe_count(void) {
    return n_probes;
}
