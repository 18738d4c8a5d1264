#include "fleet/link/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "fleet/link/frames_in.h"

#define PIECE 4096         /* what libwslay takes at once; it asks for no more */
#define FRAME_HEAD 14      /* RFC 6455 §5.2, at its longest */
#define PING_MAX 125       /* RFC 6455 §5.5 */
#define PIECES_A_TURN 16   /* then others have theirs */
#define ROOM_TO_READ 65536 /* answers to the pings of one piece fit into it */

enum frames_state {
    WAIT_FRAME,
    WAIT_GOODBYE, /* for the hub to take our close frame, and to close: then it has read all of ours */
};

struct frames {
    struct stream stream;
    enum frames_state state;
    struct frames_in in;
    wslay_frame_context_ptr out;
    struct buf early;
    struct buf waiting;   /* whole frames for the hub */
    char why[192];        /* it ends */
    struct timer silence; /* in WAIT_GOODBYE: of the end */
    struct timer write;
    size_t drained;
    char asked[PING_MAX]; /* what the last ping of ours held: a hub may answer no other */
    size_t n_asked;
    bool is_asked; /* it was silent for half of its time, and was sent a ping */
    const struct frames_events *events;
    void *owner;
};

static bool step_frame(struct frames *f);
static bool step_goodbye(struct frames *f);

/* Each does what it can; true when it goes on with the next piece. */
static bool (*const steps[])(struct frames *f) = {[WAIT_FRAME] = step_frame, [WAIT_GOODBYE] = step_goodbye};

void frames_free(struct frames *f) {
    if (!f)
        return;
    timer_cancel(&f->silence);
    timer_cancel(&f->write);
    stream_done(&f->stream);
    frames_in_done(&f->in);
    if (f->out)
        wslay_frame_context_free(f->out);
    buf_release(&f->early);
    buf_release(&f->waiting);
    free(f);
}

/* Nothing of it may be looked at any more. */
static bool finish(struct frames *f) {
    f->events->over(f->owner, f->why);
    frames_free(f);
    return false;
}

/* Where a goodbye was under way, its reason is the one that counts. */
static bool break_off(struct frames *f, const char *why) {
    if (f->state == WAIT_FRAME)
        (void)snprintf(f->why, sizeof(f->why), "%s", why);
    return finish(f);
}

static void set_state(struct frames *f, enum frames_state state) {
    f->state = state;
    timer_set(&f->silence, state == WAIT_FRAME ? TIMEOUT_HUB_SILENCE / 2 : TIMEOUT_LINGER);
}

static int on_mask(uint8_t *to, size_t size, void *user) {
    (void)user;
    return frames_mask(to, size);
}

static ssize_t on_send(const uint8_t *bytes, size_t size, int flags, void *user) {
    struct frames *f = user;

    (void)flags;
    return buf_append(&f->waiting, slice_of(bytes, size)) == 0 ? (ssize_t)size : -1;
}

static void on_text(void *owner, struct slice message) {
    struct frames *f = owner;

    f->events->text(f->owner, message);
}

static void on_pong(void *owner, struct slice payload) {
    struct frames *f = owner;

    f->events->pong(f->owner, payload);
}

static void on_frame(void *owner) {
    struct frames *f = owner;

    f->is_asked = false;
    if (f->state == WAIT_FRAME)
        timer_set(&f->silence, TIMEOUT_HUB_SILENCE / 2);
}

/* What waits goes out with the next turn of the loop, and the hub has its time to take it. */
static void send_waiting(struct frames *f) {
    if (buf_is_empty(&f->waiting))
        return;
    if (!timer_is_set(&f->write))
        timer_set(&f->write, TIMEOUT_HUB_WRITE);
    watch_again(&f->stream.watch);
}

/* All of one frame waits then, or nothing of it: there is room for it. */
static int put_frame(struct frames *f, uint8_t opcode, const struct slice *parts, size_t n_parts) {
    struct wslay_frame_iocb frame = {.fin = 1, .opcode = opcode, .mask = 1};
    size_t room;

    if (f->state != WAIT_FRAME)
        return -EPIPE;
    for (size_t i = 0; i < n_parts; i++)
        frame.payload_length += parts[i].n;
    if (frame.payload_length > LIMIT_FRAME || frame.payload_length + FRAME_HEAD > buf_room(&f->waiting))
        return -EMSGSIZE;
    if (!buf_reserve(&f->waiting, frame.payload_length + FRAME_HEAD, &room))
        return -ENOMEM;
    for (size_t i = 0; i < n_parts; i++) {
        frame.data = (const uint8_t *)parts[i].p;
        frame.data_length = parts[i].n;
        if ((parts[i].n > 0 || n_parts == 1) && wslay_frame_send(f->out, &frame) != (ssize_t)parts[i].n)
            return -ENOMEM;
    }
    send_waiting(f);
    return 0;
}

int frames_send(struct frames *f, const struct slice *parts, size_t n_parts) {
    return put_frame(f, WSLAY_TEXT_FRAME, parts, n_parts);
}

int frames_ping(struct frames *f, struct slice payload) {
    if (payload.n > sizeof(f->asked))
        return -EMSGSIZE;
    if (payload.n > 0)
        memmove(f->asked, payload.p, payload.n);
    f->n_asked = payload.n;
    return put_frame(f, WSLAY_PING, &payload, 1);
}

size_t frames_waiting(const struct frames *f) {
    return buf_length(&f->waiting);
}

static void put_close(struct frames *f, uint16_t code) {
    const char bytes[] = {(char)(code >> 8), (char)(code & 0xff)};
    struct slice payload = slice_of(bytes, sizeof(bytes));

    (void)put_frame(f, WSLAY_CONNECTION_CLOSE, &payload, 1); /* without room it ends without a word */
}

static void wait_goodbye(struct frames *f, const char *why) {
    (void)snprintf(f->why, sizeof(f->why), "%s", why);
    frames_in_stop(&f->in);
    set_state(f, WAIT_GOODBYE);
    watch_again(&f->stream.watch);
}

void frames_close(struct frames *f, uint16_t code, const char *why) {
    if (f->state != WAIT_FRAME)
        return;
    put_close(f, code);
    wait_goodbye(f, why);
}

/* 0 when nothing waits, -EAGAIN, or -errno. */
static int flush(struct frames *f) {
    if (buf_is_empty(&f->waiting))
        return 0;
    while (!buf_is_empty(&f->waiting)) {
        struct slice waiting = buf_slice(&f->waiting);
        ssize_t n = stream_is_ready(&f->stream, EPOLLOUT) ? stream_write(&f->stream, &waiting, 1) : -EAGAIN;

        if (n < 0)
            return (int)n;
        buf_consume(&f->waiting, (size_t)n);
        timer_set(&f->write, TIMEOUT_HUB_WRITE);
    }
    timer_cancel(&f->write);
    buf_release(&f->waiting);
    if (f->state == WAIT_FRAME)
        f->events->clear(f->owner);
    return 0;
}

/* The next piece for libwslay: its length; 0 at the end of the stream; -EAGAIN or -errno. `memory` holds PIECE bytes. */
static ssize_t take_piece(struct frames *f, char *memory) {
    struct slice early = slice_first(buf_slice(&f->early), PIECE);
    ssize_t n;

    if (early.n > 0) {
        memcpy(memory, early.p, early.n);
        buf_consume(&f->early, early.n);
        n = (ssize_t)early.n;
    } else {
        buf_release(&f->early);
        n = stream_read(&f->stream, memory, PIECE);
    }
    return n;
}

/* What has come is heard; answers and refusals wait then. */
static void hear(struct frames *f, struct slice piece) {
    enum frames_verdict verdict = frames_in_take(&f->in, piece);

    if (f->state != WAIT_FRAME)
        return; /* its owner has closed it meanwhile */
    if (verdict == FRAMES_END)
        put_close(f, f->in.code);
    if (verdict != FRAMES_GO_ON)
        wait_goodbye(f, f->in.why);
    else
        send_waiting(f);
}

static bool step_frame(struct frames *f) {
    char memory[PIECE];
    int r = flush(f);
    ssize_t n;

    if (r < 0 && r != -EAGAIN)
        return break_off(f, "the connection broke off");
    if (buf_room(&f->waiting) < ROOM_TO_READ)
        return false;
    n = take_piece(f, memory);
    if (n == -EAGAIN)
        return false;
    if (n <= 0)
        return break_off(f, n == 0 ? "the hub ended the connection without a word" : "the connection broke off");
    hear(f, slice_of(memory, (size_t)n));
    explicit_bzero(memory, sizeof(memory));
    return true;
}

/* What still comes is thrown away. */
static bool step_goodbye(struct frames *f) {
    char memory[PIECE];
    int r = flush(f);
    ssize_t n;

    if (r < 0 && r != -EAGAIN)
        return finish(f);
    n = stream_read(&f->stream, memory, sizeof(memory));
    if (n > 0) {
        explicit_bzero(memory, (size_t)n);
        f->drained += (size_t)n;
    }
    if (n == -EAGAIN)
        return false;
    return n > 0 && f->drained <= LIMIT_DRAIN ? true : finish(f);
}

static void frames_ready(struct watch *watch) {
    struct frames *f = container_of(watch, struct frames, stream.watch);

    for (unsigned i = 0; i < PIECES_A_TURN; i++)
        if (!steps[f->state](f))
            return;
    watch_again(&f->stream.watch);
}

static void silent(struct timer *timer) {
    struct frames *f = container_of(timer, struct frames, silence);
    char why[64];

    if (f->state == WAIT_FRAME && !f->is_asked) {
        f->is_asked = true;
        timer_set(&f->silence, TIMEOUT_HUB_SILENCE / 2);
        (void)frames_ping(f, slice_of(f->asked, f->n_asked));
        return;
    }
    (void)snprintf(why, sizeof(why), "the hub was silent for %d s", TIMEOUT_HUB_SILENCE / 1000);
    (void)break_off(f, why);
}

static void not_taken(struct timer *timer) {
    (void)break_off(container_of(timer, struct frames, write), "the hub takes nothing");
}

static struct frames *frames_new(struct slice early) {
    static const struct frames_in_events events = {.text = on_text, .pong = on_pong, .frame = on_frame};
    static const struct wslay_frame_callbacks callbacks = {.send_callback = on_send, .genmask_callback = on_mask};
    struct frames *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    buf_init_secret(&f->early, LIMIT_HEAD + LIMIT_PIECE);
    buf_init(&f->waiting, LIMIT_LINK_OUT);
    f->silence.on_expiry = silent;
    f->write.on_expiry = not_taken;
    if (frames_in_init(&f->in, &f->waiting, &events, f) == 0 && wslay_frame_context_init(&f->out, &callbacks, f) == 0 &&
        buf_append(&f->early, early) == 0)
        return f;
    frames_free(f);
    return NULL;
}

int frames_open(struct stream *stream, struct slice early, const struct frames_events *events, void *owner,
                struct frames **ret) {
    struct frames *f = frames_new(early);
    int r;

    if (!f) {
        stream_done(stream);
        return -ENOMEM;
    }
    f->events = events;
    f->owner = owner;
    r = stream_move(stream, &f->stream, frames_ready);
    if (r < 0) {
        frames_free(f);
        return r;
    }
    set_state(f, WAIT_FRAME);
    watch_again(&f->stream.watch);
    *ret = f;
    return 0;
}
