#include "relay/tunnel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/pages.h"
#include "wire/websocket.h"

/* A turn is bounded, so that one busy tunnel does not keep the others waiting. */
#define TUNNEL_TURN 32

/*
 * What passes is here between two calls of the kernel, and never when the loop waits: one for all tunnels. A message of
 * LIMIT_READ comes in one piece with the head of its frame.
 */
static char scratch[LIMIT_READ + 64] ON_ITS_OWN_PAGES;

/* Bytes that one side has sent and the other has not taken. */
struct held {
    char *bytes;
    uint32_t at, n;
};

struct side {
    struct stream stream;
    struct held held;           /* for this side */
    uint64_t taken_ms;          /* when it took something last, or began to take nothing */
    struct websocket_flow flow; /* what comes from it */
    bool has_ended;             /* nothing more comes from it */
    bool is_told;               /* nothing more goes to it: its writing half is shut */
};

struct tunnel {
    struct side sides[2];
    const struct tunnel_owner *class;
    void *owner;
    struct timer timer; /* while bytes are held, or the end is near */
    struct tunnel_report report;
    unsigned goodbye; /* the code to end with; 0: it goes on */
    bool has_first;   /* report.side is known */
    bool is_over;
    bool is_at_rest; /* the timer is for a tunnel in which nothing moves */
};

static_assert(sizeof(struct tunnel) <= 320, "thousands of tunnels are idle at once");

static enum tunnel_side opposite(enum tunnel_side side) {
    return side == TUNNEL_SIDE_CLIENT ? TUNNEL_SIDE_UPSTREAM : TUNNEL_SIDE_CLIENT;
}

static bool is_held(const struct side *side) {
    return side->held.bytes != NULL;
}

static void drop_held(struct held *held) {
    free(held->bytes);
    *held = (struct held){0};
}

/* §5.5.1 of RFC 6455, or a shut half: who began to close is told apart from who agreed to it. */
static void note_first(struct tunnel *t, enum tunnel_side side) {
    if (!t->has_first)
        t->report.side = side;
    t->has_first = true;
}

static void end_as(struct tunnel *t, enum tunnel_cause cause, enum tunnel_side side) {
    if (t->is_over)
        return;
    t->is_over = true;
    if (t->goodbye > 0) {
        t->report.cause = TUNNEL_CAUSE_ENDED;
        return;
    }
    /* who answers a close frame by breaking off has not begun it */
    if (cause == TUNNEL_CAUSE_RESET && t->report.close_code > 0 && t->report.side == opposite(side))
        cause = TUNNEL_CAUSE_CLOSED;
    t->report.cause = cause;
    if (cause != TUNNEL_CAUSE_CLOSED)
        t->report.side = side;
}

/* It takes nothing more, and has perhaps said before that it is done. */
static void end_at(struct tunnel *t, enum tunnel_side side) {
    end_as(t, t->sides[side].has_ended ? TUNNEL_CAUSE_CLOSED : TUNNEL_CAUSE_RESET, side);
}

/* Who broke off must not look to the other side like one who went in order. */
static void close_streams(struct tunnel *t) {
    bool is_broken = t->report.cause == TUNNEL_CAUSE_RESET || t->report.cause == TUNNEL_CAUSE_TIMEOUT;

    for (size_t i = 0; i < ARRAY_LEN(t->sides); i++) {
        struct side *side = &t->sides[i];

        if (is_broken)
            stream_break_off(&side->stream);
        else
            stream_done(&side->stream);
        drop_held(&side->held);
    }
}

static void tunnel_free(struct tunnel *t) {
    close_streams(t);
    timer_cancel(&t->timer);
    t->class->ended(t->owner, &t->report);
    free(t);
}

/* Bytes for a side for which none are held yet. */
static int hold(struct side *to, struct slice bytes) {
    struct held *held = &to->held;

    held->bytes = malloc(bytes.n);
    if (!held->bytes)
        return -ENOMEM;
    memcpy(held->bytes, bytes.p, bytes.n);
    held->at = 0;
    held->n = (uint32_t)bytes.n;
    to->taken_ms = loop_now_ms();
    return 0;
}

/* The same, of which it takes at once what it can. */
static int pass(struct side *to, struct slice bytes) {
    ssize_t n = stream_is_ready(&to->stream, EPOLLOUT) ? stream_write(&to->stream, &bytes, 1) : -EAGAIN;

    if (n < 0 && n != -EAGAIN)
        return (int)n;
    bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
    return bytes.n > 0 ? hold(to, bytes) : 0;
}

/* Whether the side took something of what is held for it. */
static bool flush(struct tunnel *t, enum tunnel_side to) {
    struct side *side = &t->sides[to];
    struct held *held = &side->held;
    struct slice waiting = slice_of(held->bytes + held->at, held->n - held->at);
    ssize_t n;

    if (!stream_is_ready(&side->stream, EPOLLOUT))
        return false;
    n = stream_write(&side->stream, &waiting, 1);
    if (n < 0 && n != -EAGAIN)
        end_at(t, to);
    if (n <= 0)
        return false;
    side->taken_ms = loop_now_ms();
    held->at += (uint32_t)n;
    if (held->at == held->n)
        drop_held(held);
    return true;
}

static void follow(struct tunnel *t, enum tunnel_side from, struct slice bytes) {
    struct websocket_flow *flow = &t->sides[from].flow;

    *(from == TUNNEL_SIDE_CLIENT ? &t->report.bytes_up : &t->report.bytes_down) += bytes.n;
    if (websocket_flow_has_closed(flow))
        return;
    websocket_flow_pass(flow, bytes);
    if (!websocket_flow_has_closed(flow))
        return;
    note_first(t, from);
    if (t->report.close_code == 0)
        t->report.close_code = flow->close_code;
}

/* How much may be read of a side now: up to the border of a frame only, when the other is to hear a last frame there. */
static size_t readable(struct tunnel *t, enum tunnel_side from) {
    uint64_t to_border;

    if (t->goodbye == 0 || t->sides[opposite(from)].is_told)
        return sizeof(scratch);
    to_border = websocket_flow_to_border(&t->sides[from].flow);
    return (size_t)MIN_OF(to_border, (uint64_t)sizeof(scratch));
}

static void take_end(struct tunnel *t, enum tunnel_side from, ssize_t error) {
    t->sides[from].has_ended = true;
    if (error < 0) {
        end_as(t, TUNNEL_CAUSE_RESET, from);
        return;
    }
    note_first(t, from);
}

/* From one side to the other, as long as that takes it. Whether anything moved. */
static bool pump(struct tunnel *t, enum tunnel_side from) {
    struct side *in = &t->sides[from], *out = &t->sides[opposite(from)];
    size_t room = readable(t, from);
    ssize_t n;

    if (in->has_ended || is_held(out) || room == 0 ||
        !stream_is_ready(&in->stream, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        return false;
    n = stream_read(&in->stream, scratch, room);
    if (n == -EAGAIN)
        return false;
    if (n <= 0) {
        take_end(t, from, n);
        return true;
    }
    if (out->is_told) /* after the last word nothing is passed on; it is read so that the closing is no reset */
        return true;
    follow(t, from, slice_of(scratch, (size_t)n));
    if (pass(out, slice_of(scratch, (size_t)n)) < 0)
        end_at(t, opposite(from));
    return true;
}

/* A side hears no more: it is told so, and in the goodbye with a close frame, where one may stand. */
static bool tell_end(struct tunnel *t, enum tunnel_side to) {
    struct side *side = &t->sides[to], *from = &t->sides[opposite(to)];

    if (side->is_told || is_held(side) || !(from->has_ended || t->goodbye > 0))
        return false;
    if (t->goodbye > 0 && websocket_flow_is_at_border(&from->flow)) {
        char frame[WEBSOCKET_CLOSE_MAX];
        size_t n = websocket_close_frame(t->goodbye, to == TUNNEL_SIDE_UPSTREAM, frame);

        from->flow.is_lost = true; /* one last frame is enough */
        if (pass(side, slice_of(frame, n)) < 0)
            end_at(t, to);
        if (is_held(side))
            return true;
    }
    if (!from->has_ended && websocket_flow_to_border(&from->flow) > 0)
        return false;
    stream_shut_write(&side->stream);
    side->is_told = true;
    return true;
}

static bool is_closing(const struct tunnel *t) {
    const struct side *client = &t->sides[TUNNEL_SIDE_CLIENT], *upstream = &t->sides[TUNNEL_SIDE_UPSTREAM];

    return client->has_ended || upstream->has_ended ||
           (websocket_flow_has_closed(&client->flow) && websocket_flow_has_closed(&upstream->flow));
}

/* Both its directions are gone: what is left is what the other side is still to hear. */
static bool is_gone(const struct side *side) {
    return side->has_ended && !side->is_told && stream_is_ready(&side->stream, EPOLLHUP | EPOLLERR);
}

static bool is_done(const struct tunnel *t) {
    const struct side *client = &t->sides[TUNNEL_SIDE_CLIENT], *upstream = &t->sides[TUNNEL_SIDE_UPSTREAM];

    if ((is_gone(client) && upstream->is_told) || (is_gone(upstream) && client->is_told))
        return true;
    return client->is_told && client->has_ended && upstream->is_told && upstream->has_ended;
}

static void set_timer(struct tunnel *t, bool is_moved) {
    bool is_closing_now = is_closing(t);

    if (t->goodbye > 0)
        return; /* its time is running */
    if (is_closing_now || is_held(&t->sides[TUNNEL_SIDE_CLIENT]) || is_held(&t->sides[TUNNEL_SIDE_UPSTREAM])) {
        if (!timer_is_set(&t->timer) || t->is_at_rest || (is_moved && is_closing_now))
            timer_set(&t->timer, t->class->write_timeout_ms);
        t->is_at_rest = false;
    } else if (t->class->idle_timeout_ms > 0) {
        timer_set(&t->timer, t->class->idle_timeout_ms);
        t->is_at_rest = true;
    } else {
        timer_cancel(&t->timer);
    }
}

static bool move(struct tunnel *t) {
    bool is_moved = false;

    for (enum tunnel_side side = TUNNEL_SIDE_CLIENT; side <= TUNNEL_SIDE_UPSTREAM && !t->is_over; side++) {
        if (is_held(&t->sides[side]))
            is_moved = flush(t, side) || is_moved;
        is_moved = pump(t, side) || is_moved;
        is_moved = tell_end(t, side) || is_moved;
    }
    return is_moved;
}

static void tunnel_step(struct tunnel *t) {
    bool has_moved = false;
    unsigned turn = 0;

    while (!t->is_over && move(t)) {
        has_moved = true;
        if (++turn == TUNNEL_TURN) {
            watch_again(&t->sides[TUNNEL_SIDE_CLIENT].stream.watch);
            break;
        }
    }
    if (is_done(t))
        end_as(t, TUNNEL_CAUSE_CLOSED, t->report.side);
    if (t->is_over)
        tunnel_free(t);
    else
        set_timer(t, has_moved);
}

static void client_ready(struct watch *watch) {
    tunnel_step(container_of(watch, struct tunnel, sides[TUNNEL_SIDE_CLIENT].stream.watch));
}

static void upstream_ready(struct watch *watch) {
    tunnel_step(container_of(watch, struct tunnel, sides[TUNNEL_SIDE_UPSTREAM].stream.watch));
}

/* Nobody may keep bytes waiting for so long, and who has closed has no claim to a tunnel in which nothing moves. */
static void timed_out(struct timer *timer) {
    struct tunnel *t = container_of(timer, struct tunnel, timer);
    uint64_t limit = t->class->write_timeout_ms, since = 0;

    for (enum tunnel_side side = TUNNEL_SIDE_CLIENT; side <= TUNNEL_SIDE_UPSTREAM; side++) {
        uint64_t idle_ms = loop_now_ms() - t->sides[side].taken_ms;

        if (!is_held(&t->sides[side]))
            continue;
        if (idle_ms >= limit)
            end_as(t, TUNNEL_CAUSE_TIMEOUT, side);
        since = MAX_OF(since, idle_ms);
    }
    if (t->goodbye > 0 || is_closing(t))
        end_as(t, TUNNEL_CAUSE_CLOSED, t->report.side);
    else if (t->is_at_rest)
        end_as(t, TUNNEL_CAUSE_TIMEOUT, TUNNEL_SIDE_CLIENT);
    if (t->is_over)
        tunnel_free(t);
    else
        timer_set(timer, limit - since);
}

static int take_side(struct tunnel *t, enum tunnel_side side, struct stream *stream, struct slice early) {
    void (*const on_ready[])(struct watch * watch) = {client_ready, upstream_ready};
    struct side *to = &t->sides[opposite(side)];
    int r = stream_move(stream, &t->sides[side].stream, on_ready[side]);

    websocket_flow_init(&t->sides[side].flow, side == TUNNEL_SIDE_CLIENT);
    t->sides[side].flow.is_lost = t->class->is_opaque;
    if (r < 0 || early.n == 0)
        return r;
    follow(t, side, early);
    return hold(to, early);
}

int tunnel_new(struct stream *client, struct slice from_client, struct stream *upstream, struct slice from_upstream,
               const struct tunnel_owner *class, void *owner, struct tunnel **ret) {
    struct tunnel *t = calloc(1, sizeof(*t));
    int r = t ? 0 : -ENOMEM;

    if (r == 0) {
        *t = (struct tunnel){.class = class, .owner = owner, .report.opened_ms = loop_now_ms()};
        t->timer.on_expiry = timed_out;
        r = take_side(t, TUNNEL_SIDE_CLIENT, client, from_client);
    }
    if (r == 0)
        r = take_side(t, TUNNEL_SIDE_UPSTREAM, upstream, from_upstream);
    if (r < 0) {
        stream_done(client);
        stream_done(upstream);
        for (size_t i = 0; t && i < ARRAY_LEN(t->sides); i++) {
            stream_done(&t->sides[i].stream);
            drop_held(&t->sides[i].held);
        }
        free(t);
        return r;
    }
    watch_again(&t->sides[TUNNEL_SIDE_CLIENT].stream.watch); /* what is held goes on, or has its time set */
    *ret = t;
    return 0;
}

void tunnel_end(struct tunnel *t, unsigned code) {
    if (code == 0) {
        end_as(t, TUNNEL_CAUSE_ENDED, TUNNEL_SIDE_CLIENT);
        tunnel_free(t);
    } else if (t->goodbye == 0) {
        t->goodbye = code;
        timer_set(&t->timer, TIMEOUT_TUNNEL_GOODBYE);
        watch_again(&t->sides[TUNNEL_SIDE_CLIENT].stream.watch);
    }
}
