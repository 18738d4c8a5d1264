#include "relay/connection.h"

#include <errno.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"

/* A turn is bounded, so that one busy client does not keep the others waiting. */
#define CONNECTION_TURN 32

#define READ_FIRST 4096

/* Each returns whether it got anything done: then there may be more to do. */
typedef bool state_step(struct connection *c);
static state_step wait_request, wait_exchange, wait_switch, wait_flush, wait_close;

static state_step *const states[] = {
    [WAIT_REQUEST] = wait_request, [WAIT_EXCHANGE] = wait_exchange, [WAIT_SWITCH] = wait_switch,
    [WAIT_FLUSH] = wait_flush,     [WAIT_CLOSE] = wait_close,
};

static void set_state(struct connection *c, enum connection_state state) {
    static const char *const names[] = {"WAIT_REQUEST", "WAIT_EXCHANGE", "WAIT_SWITCH", "WAIT_FLUSH",
                                        "WAIT_CLOSE",   "SWITCHED",      "CLOSED"};

    log_debug("connection %d: %s -> %s", c->client.fd, names[c->state], names[state]);
    c->state = state;
}

static const struct connection_timeouts *timeouts_of(const struct connection *c) {
    return c->owner->timeouts;
}

/* What the client has not taken stays in `out`, in order; the parts are written behind it. */
static int emit(struct connection *c, const struct slice *parts, size_t n_parts) {
    struct slice all[STREAM_PARTS];
    size_t n = 0, waiting = buf_length(&c->out);
    ssize_t written;
    int r;

    if (waiting > 0)
        all[n++] = buf_slice(&c->out);
    for (size_t i = 0; i < n_parts; i++)
        all[n++] = parts[i];
    if (n == 0)
        return 0;
    written = stream_is_ready(&c->client, EPOLLOUT) ? stream_write(&c->client, all, n) : -EAGAIN;
    if (written < 0 && written != -EAGAIN)
        return (int)written;
    buf_consume(&c->out, written > 0 ? (size_t)written : 0);
    r = buf_append_rest(&c->out, parts, n_parts, written > (ssize_t)waiting ? (size_t)written - waiting : 0);
    if (buf_is_empty(&c->out)) {
        buf_release(&c->out);
        timer_pause(&c->write_timer);
    } else if (written > 0 || !timer_is_set(&c->write_timer)) {
        timer_set(&c->write_timer, timeouts_of(c)->write_ms);
    }
    if (written > 0 && c->state == WAIT_EXCHANGE && c->exchange.is_request_sent && timer_is_set(&c->read_timer))
        timer_set(&c->read_timer, TIMEOUT_HALF_CLOSED); /* it takes something: it is there */
    return r;
}

/* Most heads fit into the first piece, and so does a small body behind one. */
static size_t read_size(const struct connection *c) {
    if (c->state == WAIT_EXCHANGE)
        return LIMIT_READ;
    return buf_is_empty(&c->in) ? READ_FIRST : LIMIT_READ / 4;
}

/* 1 when bytes came, 0 when none can come now; a client that is gone closes the connection. */
static bool fill(struct connection *c) {
    size_t room;
    char *to;
    ssize_t n;

    if (!stream_is_ready(&c->client, EPOLLIN) || c->is_client_done)
        return false;
    to = buf_reserve(&c->in, read_size(c), &room);
    if (!to) {
        if (errno == ENOMEM)
            set_state(c, CLOSED);
        return false;
    }
    n = stream_read(&c->client, to, room);
    if (n > 0) {
        buf_commit(&c->in, (size_t)n);
        return true;
    }
    if (buf_is_empty(&c->in))
        buf_release(&c->in);
    if (n == 0)
        c->is_client_done = true;
    else if (n != -EAGAIN)
        set_state(c, CLOSED);
    return n == 0;
}

/* The last answer is in `out`; what the client still sends is thrown away. */
static void finish_with_close(struct connection *c) {
    timer_pause(&c->read_timer);
    buf_release(&c->in);
    set_state(c, WAIT_FLUSH);
}

/* In the owner's words, where he has some. */
static int write_refusal(struct connection *c, const struct refusal *refusal) {
    const struct connection_owner *owner = c->owner;
    struct exchange *x = &c->exchange;
    const struct problem problem = {.status = refusal->status,
                                    .lease = owner->rules->lease,
                                    .rule = refusal->rule,
                                    .reason = slice_of_string(refusal->reason),
                                    .hint = slice_of_string(refusal->hint)};
    struct exchange_words words;
    int r = 0;

    if (owner->explain)
        r = owner->explain(c, refusal, &words);
    else
        owner->refused(c, problem.status, problem.reason);
    if (r < 0 || x->is_begun)
        return r < 0 ? r : -EALREADY;
    return owner->explain ? exchange_write_words(x, refusal->status, &words, false, &c->out)
                          : exchange_write_refusal(x, &problem, false, &c->out);
}

static void refuse(struct connection *c, const struct refusal *refusal) {
    if (write_refusal(c, refusal) < 0)
        set_state(c, CLOSED); /* the client must see that it was cut */
    else
        finish_with_close(c);
}

static void refuse_fault(struct connection *c, enum http_fault fault) {
    _uninitialised_ struct refusal refusal;

    /* behind a head that has gone on stands its body, which says nothing */
    refusal_read(c->state == WAIT_REQUEST ? buf_slice(&c->in) : SLICE_EMPTY, fault, c->owner->rules, &refusal);
    refuse(c, &refusal);
}

/* The request is broken after its head went on: its upstream must never take it for complete. */
static void abandon(struct connection *c, enum http_fault fault) {
    c->upstream->ops->abandon(c->upstream, http_fault_status(fault), http_fault_reason(fault));
    refuse_fault(c, fault);
}

static void next_request(struct connection *c) {
    bool must_close = c->exchange.must_close;

    c->exchange = (struct exchange){0};
    c->scan = (struct http_head_scan){0};
    if (must_close) {
        finish_with_close(c);
        return;
    }
    if (buf_is_empty(&c->in))
        buf_release(&c->in);
    timer_pause(&c->read_timer); /* the client's time begins when it has its answer */
    set_state(c, WAIT_REQUEST);
}

/* Content is moved together at the front of `in`, to be sent on in one piece. False when the framing is broken. */
static bool decode_body(struct connection *c, enum http_fault *ret_fault) {
    ptrdiff_t used;

    if (c->content > 0 || c->spent > 0 || buf_is_empty(&c->in))
        return true; /* what was decoded has not gone on yet */
    used = http_body_gather(&c->exchange.request_body, c->in.memory + c->in.start, buf_length(&c->in), &c->content,
                            ret_fault);
    if (used < 0)
        return false;
    c->spent = (size_t)used - c->content;
    return true;
}

static struct slice content_of(const struct connection *c) {
    return slice_first(buf_slice(&c->in), c->content);
}

static void drop_content(struct connection *c) {
    buf_consume(&c->in, c->content + c->spent);
    c->content = c->spent = 0;
    if (buf_is_empty(&c->in) && c->exchange.is_request_sent)
        buf_release(&c->in);
}

/* The far half did not take it. */
static void refuse_unserved(struct connection *c, int error) {
    static const char *const words[][2] = {
        [DOOR_LEASE] = {"the keeper is gone", "the keeper is busy"},
        [DOOR_PROXY] = {"the keeper is gone", "the keeper is busy"},
        [DOOR_LISTENER] = {"the request cannot be served now", "too much is under way"},
    };

    refuse(c, &(struct refusal){.status = 503, .reason = words[c->owner->rules->door][error == -EAGAIN]});
}

/* S 7.6.2: it goes no further. */
static void answer_here(struct connection *c) {
    const struct response_head answer = {.status = 200, .body = {HTTP_BODY_LENGTH, 0}};

    c->exchange.must_close = true;
    if (exchange_write_response(&c->exchange, &answer, &c->out) < 0)
        set_state(c, CLOSED);
    else
        finish_with_close(c);
}

/* §3.3: the head is whole. Either the exchange begins, or the request is refused, or the upstream is not ready yet. */
static bool begin_exchange(struct connection *c, struct http_request *request, size_t head_length) {
    struct request_head head;
    enum http_fault fault;
    enum exchange_verdict verdict;
    int r;

    c->exchange = (struct exchange){0};
    verdict = exchange_accept(&c->exchange, request, c->owner->rules, &head, &fault);
    if (verdict == EXCHANGE_REFUSE) {
        refuse_fault(c, fault);
        return true;
    }
    if (verdict == EXCHANGE_ANSWER_HERE) {
        answer_here(c);
        return true;
    }
    if (!c->owner->switched) /* there is nobody to take a tunnel: the fields of the hop are off, and it is plain HTTP */
        c->exchange.is_upgrade = head.is_upgrade = false;
    /* the head's slices look into `in`: it stays until the head has gone on, and content is gathered behind it */
    c->in.start += head_length;
    if (!decode_body(c, &fault)) {
        c->in.start -= head_length;
        refuse_fault(c, fault);
        return true;
    }
    r = c->upstream->ops->begin(c->upstream, &head, content_of(c), c->exchange.request_body.is_complete);
    if (r < 0) {
        refuse_unserved(c, r);
        return true;
    }
    c->exchange.is_request_sent = c->exchange.request_body.is_complete;
    drop_content(c);
    set_state(c, WAIT_EXCHANGE);
    if (c->exchange.is_request_sent)
        timer_pause(&c->read_timer);
    else
        timer_set(&c->read_timer, timeouts_of(c)->body_ms);
    return true;
}

static bool wait_request(struct connection *c) {
    _uninitialised_ struct http_request request;
    enum http_fault fault;
    ptrdiff_t head_length;

    if (!buf_is_empty(&c->out))
        return false; /* answers leave in order, and the last one has not left yet */
    if (!timer_is_set(&c->read_timer))
        timer_set(&c->read_timer, buf_is_empty(&c->in) ? timeouts_of(c)->idle_ms : timeouts_of(c)->head_ms);
    if (!buf_is_empty(&c->in)) {
        head_length = http_request_read(&c->scan, buf_slice(&c->in), &request, &fault);
        if (head_length > 0)
            return begin_exchange(c, &request, (size_t)head_length);
        if (head_length < 0) {
            refuse_fault(c, fault);
            return true;
        }
    }
    if (c->is_client_done) {
        if (buf_is_empty(&c->in))
            set_state(c, CLOSED);
        else
            refuse_fault(c, HTTP_TRUNCATED);
        return true;
    }
    if (!fill(c))
        return c->state == CLOSED;
    if (c->scan.scanned == 0 && !buf_is_empty(&c->in))
        timer_set(&c->read_timer, timeouts_of(c)->head_ms);
    return true;
}

/* More of the request's body: from the client, through the decoder, to the upstream. */
static bool move_request(struct connection *c) {
    struct exchange *x = &c->exchange;
    enum http_fault fault;
    int r;

    if (x->is_request_sent || x->is_complete)
        return false;
    if (c->content == 0 && !decode_body(c, &fault)) {
        abandon(c, fault);
        return true;
    }
    if (c->content > 0 || x->request_body.is_complete) {
        r = c->upstream->ops->send(c->upstream, content_of(c), x->request_body.is_complete);
        if (r == -EAGAIN) {
            timer_pause(&c->read_timer); /* it is not the client who is slow */
            return false;
        }
        x->is_request_sent = x->request_body.is_complete;
        drop_content(c);
        if (x->is_request_sent)
            timer_pause(&c->read_timer);
        else
            timer_set(&c->read_timer, timeouts_of(c)->body_ms);
        return r == 0; /* a failure is told by the next event */
    }
    buf_consume(&c->in, c->spent);
    c->spent = 0;
    if (c->is_client_done) {
        abandon(c, HTTP_TRUNCATED);
        return true;
    }
    if (!fill(c))
        return c->state == CLOSED;
    timer_set(&c->read_timer, timeouts_of(c)->body_ms);
    return true;
}

/* A piece of the response's body, framed for this client. */
static int emit_data(struct connection *c, struct slice data, bool is_end) {
    struct exchange *x = &c->exchange;
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    size_t n = 1;
    char line[20];

    x->is_complete = is_end;
    if (x->framing.kind == HTTP_BODY_NONE)
        return emit(c, NULL, 0);
    if (x->framing.kind == HTTP_BODY_CHUNKED)
        n = http_chunk_frame(data, is_end, line, parts);
    if (x->framing.kind == HTTP_BODY_LENGTH) {
        /* the keeper has counted already; a length that is wrong must never look like a good one */
        if (data.n > x->remaining || (is_end && data.n != x->remaining))
            return -EPROTO;
        x->remaining -= data.n;
    }
    return emit(c, parts, n);
}

static int take_event(struct connection *c, const struct upstream_event *event) {
    struct exchange *x = &c->exchange;
    int r;

    switch (event->type) {
    case UPSTREAM_INTERIM:
        r = x->is_begun ? -EPROTO : exchange_write_interim(x, &event->response, &c->out);
        return r == 0 ? emit(c, NULL, 0) : r;
    case UPSTREAM_RESPONSE:
        if (x->is_begun)
            return -EPROTO;
        /* the answer came before the question was finished: what is left of the upload is not wanted (§9.3) */
        x->must_close = x->must_close || !x->is_request_sent;
        r = exchange_write_response(x, &event->response, &c->out);
        return r == 0 ? emit_data(c, event->data, event->is_end) : r;
    case UPSTREAM_DATA:
        return x->is_begun ? emit_data(c, event->data, event->is_end) : -EPROTO;
    case UPSTREAM_SWITCH:
        r = exchange_write_switch(x, &event->response, &c->out);
        if (r == 0)
            set_state(c, WAIT_SWITCH);
        return r == 0 ? emit(c, NULL, 0) : r;
    case UPSTREAM_ABORT:
        if (event->is_gone)
            c->owner->refused(c, x->is_begun ? x->status : event->status, event->reason);
        if (x->is_begun)
            return -ECONNABORTED;
        return exchange_write_refusal(
            x, &(struct problem){.status = event->status, .lease = c->owner->rules->lease, .reason = event->reason},
            x->is_request_sent && !event->is_gone, &c->out);
    }
    return -EPROTO;
}

/* More of the response: from the upstream to the client, one piece at a time, and none while the client lags. */
static bool move_response(struct connection *c) {
    struct upstream_event event;
    int r;

    if ((!buf_is_empty(&c->out) && !WEAKENED(MEMORY)) || c->exchange.is_complete)
        return false;
    r = c->upstream->ops->receive(c->upstream, &event);
    if (r == -EAGAIN)
        return false;
    if (r == 1)
        r = take_event(c, &event);
    if (r < 0) {
        log_debug("connection %d: the response ends here: error %d", c->client.fd, -r);
        set_state(c, CLOSED); /* cut, and visibly so */
    }
    return true;
}

/*
 * The client has closed its side of the connection and may be gone altogether: that shows only when it is sent something.
 * An upstream that keeps silent must not keep what nobody waits for. (A workload has its lease to itself.)
 */
static void notice_half_close(struct connection *c) {
    if (c->owner->rules->door == DOOR_LISTENER && c->exchange.is_request_sent && !timer_is_set(&c->read_timer) &&
        stream_is_ready(&c->client, EPOLLRDHUP))
        timer_set(&c->read_timer, TIMEOUT_HALF_CLOSED);
}

static bool wait_exchange(struct connection *c) {
    bool is_moved = move_request(c);

    if (c->state == WAIT_EXCHANGE)
        is_moved = move_response(c) || is_moved;
    if (c->state == WAIT_EXCHANGE && !c->exchange.is_complete)
        notice_half_close(c);
    if (c->state != WAIT_EXCHANGE || !c->exchange.is_complete)
        return is_moved;
    if (!c->exchange.is_request_sent)
        c->upstream->ops->abandon(c->upstream, 0, "answered before the request was complete");
    else if (c->upstream->ops->finish)
        c->upstream->ops->finish(c->upstream);
    next_request(c);
    return true;
}

static bool wait_switch(struct connection *c) {
    if (!buf_is_empty(&c->out))
        return false;
    timer_pause(&c->read_timer);
    set_state(c, SWITCHED);
    return true;
}

static bool wait_flush(struct connection *c) {
    if (!buf_is_empty(&c->out))
        return false;
    stream_shut_write(&c->client);
    timer_set(&c->read_timer, TIMEOUT_LINGER);
    set_state(c, WAIT_CLOSE);
    return true;
}

/* A connection closed with unread bytes is reset, and the client may never see its answer (§9.6). */
static bool wait_close(struct connection *c) {
    if (c->is_client_done || c->drained > LIMIT_DRAIN) {
        set_state(c, CLOSED);
        return true;
    }
    if (!fill(c))
        return c->state == CLOSED;
    c->drained += buf_length(&c->in);
    buf_release(&c->in);
    return true;
}

static void close_now(struct connection *c) {
    const struct connection_owner *owner = c->owner;

    c->upstream->ops->abandon(c->upstream, 0, "the client is gone");
    /* §8: where the connection's end is the body's, an orderly end would make a whole response of a part of one */
    if (c->exchange.is_begun && !c->exchange.is_complete && c->exchange.framing.kind == HTTP_BODY_CLOSE)
        stream_break_off(&c->client);
    connection_done(c);
    owner->closed(c);
}

void connection_step(struct connection *c) {
    /* both directions are gone: whatever is under way is for nobody */
    if (stream_is_ready(&c->client, EPOLLHUP | EPOLLERR))
        set_state(c, CLOSED);
    for (unsigned i = 0; c->state < SWITCHED; i++) {
        bool is_moved = false;

        if (i == CONNECTION_TURN) {
            watch_again(&c->client.watch);
            return;
        }
        if (!buf_is_empty(&c->out) && stream_is_ready(&c->client, EPOLLOUT)) {
            is_moved = true;
            if (emit(c, NULL, 0) < 0)
                set_state(c, CLOSED);
        }
        if (c->state != CLOSED && !states[c->state](c) && !is_moved)
            return;
    }
    if (c->state == SWITCHED)
        c->owner->switched(c);
    else
        close_now(c);
}

static void client_ready(struct watch *watch) {
    connection_step(container_of(watch, struct connection, client.watch));
}

static void upstream_ready(void *owner) {
    connection_step(owner);
}

static void read_timed_out(struct timer *timer) {
    struct connection *c = container_of(timer, struct connection, read_timer);

    if (WEAKENED(TIMEOUT))
        return;
    if (c->state == WAIT_REQUEST && !buf_is_empty(&c->in))
        refuse_fault(c, HTTP_HEAD_TIMEOUT);
    else if (c->state == WAIT_EXCHANGE && !c->exchange.is_request_sent)
        abandon(c, HTTP_BODY_TIMEOUT);
    else
        set_state(c, CLOSED);
    connection_step(c);
}

static void write_timed_out(struct timer *timer) {
    struct connection *c = container_of(timer, struct connection, write_timer);

    set_state(c, CLOSED);
    connection_step(c);
}

static void prepare(struct connection *c, struct upstream *upstream, const struct connection_owner *owner) {
    *c = (struct connection){.upstream = upstream, .owner = owner};
    c->read_timer.on_expiry = read_timed_out;
    c->write_timer.on_expiry = write_timed_out;
    buf_init(&c->in, LIMIT_HEAD + LIMIT_READ);
    buf_init(&c->out, 2 * LIMIT_HEAD + 2 * LIMIT_PIECE);
    upstream->wake = upstream_ready;
    upstream->owner = c;
}

int connection_init(struct connection *c, int fd, struct upstream *upstream, const struct connection_owner *owner) {
    int r;

    prepare(c, upstream, owner);
    r = stream_init(&c->client, fd, client_ready);
    if (r == 0)
        timer_set(&c->read_timer, timeouts_of(c)->idle_ms);
    return r;
}

int connection_init_stream(struct connection *c, struct stream *client, struct slice early, struct upstream *upstream,
                           const struct connection_owner *owner) {
    int r;

    prepare(c, upstream, owner);
    r = buf_append(&c->in, early);
    if (r < 0) {
        stream_done(client);
        return r;
    }
    r = stream_move(client, &c->client, client_ready);
    if (r < 0)
        return r;
    timer_set(&c->read_timer, early.n > 0 ? timeouts_of(c)->head_ms : timeouts_of(c)->idle_ms);
    watch_again(&c->client.watch);
    return 0;
}

void connection_done(struct connection *c) {
    timer_cancel(&c->read_timer);
    timer_cancel(&c->write_timer);
    stream_done(&c->client);
    buf_release(&c->in);
    buf_release(&c->out);
    c->state = CLOSED;
}
