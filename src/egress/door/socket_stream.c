#include "egress/door/socket_stream.h"

#include <errno.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/pages.h"

/* A turn is bounded, so that one busy socket does not keep the others waiting. */
#define SOCKET_TURN 32

static char scratch[LIMIT_READ] ON_ITS_OWN_PAGES;

static struct upstream *upstream_of(struct socket_stream *s) {
    return &s->link->upstream;
}

/* `is_broken`: the client must not take it for an orderly end. */
static bool end(struct socket_stream *s, bool is_broken) {
    s->is_over = true;
    if (is_broken)
        stream_break_off(&s->client);
    return true;
}

/* What is held for the keeper, or else the next that the client says. Returns whether anything was done. */
static bool move_up(struct socket_stream *s) {
    struct slice piece = slice_first(buf_slice(&s->up), LIMIT_READ);
    int r;

    if (piece.n == 0 && (!s->has_client_ended || s->is_told))
        return false;
    r = upstream_of(s)->ops->send(upstream_of(s), piece, piece.n == 0);
    if (r == -EAGAIN)
        return false;
    if (r < 0)
        return end(s, true);
    s->is_told = piece.n == 0;
    buf_consume(&s->up, piece.n);
    if (buf_is_empty(&s->up))
        buf_release(&s->up);
    return true;
}

/* Once the keeper has ended it is of no use; but a close with bytes unread would cost the client its last ones. */
static bool fill(struct socket_stream *s) {
    ssize_t n;

    if (!buf_is_empty(&s->up) || s->has_client_ended ||
        !stream_is_ready(&s->client, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        return false;
    n = stream_read(&s->client, scratch, sizeof(scratch));
    if (n == -EAGAIN)
        return false;
    if (n < 0)
        return end(s, false);
    s->has_client_ended = n == 0;
    if (s->has_keeper_ended)
        return true;
    if (buf_append(&s->up, slice_of(scratch, (size_t)n)) < 0)
        return end(s, true);
    return true;
}

/* What is held for the client, and behind it `data`. */
static bool emit(struct socket_stream *s, struct slice data) {
    const struct slice parts[] = {buf_slice(&s->down), data};
    size_t waiting = parts[0].n;
    ssize_t n = stream_is_ready(&s->client, EPOLLOUT) ? stream_write(&s->client, parts, ARRAY_LEN(parts)) : -EAGAIN;
    size_t taken = n > 0 ? (size_t)n : 0;

    if (n < 0 && n != -EAGAIN)
        return end(s, false);
    buf_consume(&s->down, MIN_OF(taken, waiting));
    if (buf_append_rest(&s->down, &data, 1, taken > waiting ? taken - waiting : 0) < 0)
        return end(s, true);
    if (buf_is_empty(&s->down)) {
        buf_release(&s->down);
        timer_cancel(&s->timer);
    } else if (taken > 0 || !timer_is_set(&s->timer)) {
        timer_set(&s->timer, s->write_timeout_ms);
    }
    return taken > 0 || data.n > 0;
}

/* The keeper has said its last, and the client has it: who has nothing to say either may go. */
static bool say_goodbye(struct socket_stream *s) {
    if (!timer_is_set(&s->timer)) {
        stream_shut_write(&s->client);
        timer_set(&s->timer, TIMEOUT_LINGER);
    }
    return s->has_client_ended ? end(s, false) : false;
}

static bool move_down(struct socket_stream *s) {
    struct upstream_event event;

    if (!buf_is_empty(&s->down))
        return emit(s, SLICE_EMPTY);
    if (s->has_keeper_ended)
        return say_goodbye(s);
    if (upstream_of(s)->ops->receive(upstream_of(s), &event) != 1)
        return false;
    if (event.type != UPSTREAM_DATA)
        return end(s, true);
    s->has_keeper_ended = event.is_end;
    if (event.data.n > 0)
        (void)emit(s, event.data);
    return true;
}

static bool move(struct socket_stream *s) {
    bool is_moved = move_down(s);

    if (!s->is_over && !s->has_keeper_ended)
        is_moved = move_up(s) || is_moved;
    if (!s->is_over)
        is_moved = fill(s) || is_moved;
    return is_moved;
}

static void close_now(struct socket_stream *s) {
    if (!s->has_keeper_ended)
        upstream_of(s)->ops->abandon(upstream_of(s), 0,
                                     s->link->is_gone ? "the keeper ended before the socket" : "the client is gone");
    socket_stream_done(s);
    s->closed(s);
}

static void step(struct socket_stream *s) {
    for (unsigned i = 0; !s->is_over && move(s); i++) {
        if (i < SOCKET_TURN)
            continue;
        watch_again(&s->client.watch);
        return;
    }
    if (s->is_over)
        close_now(s);
}

static void client_ready(struct watch *watch) {
    step(container_of(watch, struct socket_stream, client.watch));
}

static void link_ready(void *owner) {
    step(owner);
}

static void late(struct timer *timer) {
    struct socket_stream *s = container_of(timer, struct socket_stream, timer);

    (void)end(s, !buf_is_empty(&s->down));
    close_now(s);
}

int socket_stream_begin(struct socket_stream *s, struct connection *connection, struct keeper_link *link,
                        uint64_t write_timeout_ms, void (*closed)(struct socket_stream *s)) {
    int r;

    *s = (struct socket_stream){.link = link, .write_timeout_ms = write_timeout_ms, .closed = closed};
    s->timer.on_expiry = late;
    s->has_client_ended = connection->is_client_done;
    buf_init(&s->up, LIMIT_HEAD + LIMIT_READ);
    buf_init(&s->down, LIMIT_READ);
    r = buf_append(&s->up, buf_slice(&connection->in));
    if (r == 0)
        r = stream_move(&connection->client, &s->client, client_ready);
    connection_done(connection);
    link->upstream.wake = link_ready;
    link->upstream.owner = s;
    if (r == 0)
        watch_again(&s->client.watch);
    else
        socket_stream_done(s);
    return r;
}

void socket_stream_done(struct socket_stream *s) {
    timer_cancel(&s->timer);
    stream_done(&s->client);
    buf_release(&s->up);
    buf_release(&s->down);
}
