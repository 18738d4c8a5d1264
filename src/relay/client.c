#include "relay/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/* Most answers fit, head and all; what does not is read on at once, in larger pieces. */
#define READ_FIRST 4096

int client_init(struct client *c, struct stream *stream, void (*on_ready)(struct watch *watch)) {
    *c = (struct client){.state = CLIENT_IDLE};
    buf_init(&c->in, LIMIT_HEAD + LIMIT_PIECE);
    buf_init_secret(&c->out, LIMIT_DATAGRAM + LIMIT_READ);
    return stream_move(stream, &c->stream, on_ready);
}

static void forget_response(struct client *c) {
    free(c->response);
    c->response = NULL;
}

void client_done(struct client *c) {
    stream_done(&c->stream);
    buf_release(&c->in);
    buf_release(&c->out);
    forget_response(c);
    c->state = CLIENT_SPENT;
}

/* What the upstream does not take at once stays in `out`. */
static int write_or_keep(struct client *c, const struct slice *parts, size_t n_parts) {
    bool may_write = buf_is_empty(&c->out) && stream_is_ready(&c->stream, EPOLLOUT);
    ssize_t written = may_write ? stream_write(&c->stream, parts, n_parts) : -EAGAIN;

    if (written < 0 && written != -EAGAIN)
        return (int)written;
    if (written > 0)
        c->sent += (uint64_t)written;
    return buf_append_rest(&c->out, parts, n_parts, written > 0 ? (size_t)written : 0);
}

int client_flush(struct client *c) {
    while (!buf_is_empty(&c->out)) {
        struct slice waiting = buf_slice(&c->out);
        ssize_t n = stream_is_ready(&c->stream, EPOLLOUT) ? stream_write(&c->stream, &waiting, 1) : -EAGAIN;

        if (n < 0)
            return (int)n;
        c->sent += (uint64_t)n;
        buf_consume(&c->out, (size_t)n);
    }
    buf_release(&c->out);
    return 0;
}

int client_begin(struct client *c, struct slice request, bool is_head, struct http_framing framing, bool is_end) {
    if (!c->response)
        c->response = calloc(1, sizeof(*c->response));
    if (!c->response)
        return -ENOMEM;
    c->state = CLIENT_WAIT_HEAD;
    c->scan = (struct http_head_scan){0};
    c->request = framing;
    c->method = is_head ? SLICE("HEAD") : SLICE_EMPTY;
    c->sent = 0;
    c->interims = 0;
    c->is_request_complete = is_end;
    c->is_answered = false;
    c->expects_switch = false;
    c->fault = NULL;
    return write_or_keep(c, &request, 1);
}

void client_expect_switch(struct client *c, struct slice key) {
    c->expects_switch = true;
    websocket_accept(key, c->accept);
}

struct slice client_early(const struct client *c) {
    return slice_from(buf_slice(&c->in), c->delivered);
}

static void settle(struct client *c);

int client_send(struct client *c, struct slice data, bool is_end) {
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    char line[20];
    size_t n = 1;
    int r = client_flush(c);

    if (r < 0)
        return r;
    if (c->request.kind == HTTP_BODY_CHUNKED)
        n = http_chunk_frame(data, is_end, line, parts);
    r = n > 0 ? write_or_keep(c, parts, n) : 0;
    if (r == 0 && is_end) {
        c->is_request_complete = true;
        settle(c);
    }
    return r;
}

/* Reads until the buffer is as full as one event may be, or until there is no more for now. */
static ssize_t fill(struct client *c) {
    ssize_t total = 0;

    if (c->has_ended)
        return c->end;
    while (stream_is_ready(&c->stream, EPOLLIN | EPOLLRDHUP | EPOLLHUP) && buf_length(&c->in) < LIMIT_PIECE) {
        size_t room;
        size_t want =
            buf_is_empty(&c->in) && c->state == CLIENT_WAIT_HEAD ? READ_FIRST : LIMIT_PIECE - buf_length(&c->in);
        char *to = buf_reserve(&c->in, want, &room);
        ssize_t n = to ? stream_read(&c->stream, to, MIN_OF(room, (size_t)LIMIT_PIECE)) : -errno;

        if (n > 0) {
            buf_commit(&c->in, (size_t)n);
            c->is_answered = true;
            total += n;
            continue;
        }
        if (n == -EAGAIN)
            break;
        c->has_ended = true; /* the kernel tells a reset once, and calls it a plain end the next time */
        c->end = n;
        return total > 0 ? total : n;
    }
    return total > 0 ? total : -EAGAIN;
}

static int fail(struct client *c, const char *why, struct upstream_event *ret) {
    c->fault = why;
    c->state = CLIENT_SPENT;
    *ret = (struct upstream_event){.type = UPSTREAM_ABORT, .status = 502, .reason = slice_of_string(why)};
    return 1;
}

/* The response is complete: the connection is idle again once the request is, too, and nothing was said beyond it. */
static void settle(struct client *c) {
    if (c->state != CLIENT_WAIT_SEND || !c->is_request_complete)
        return;
    c->state = c->must_close || c->has_ended || buf_length(&c->in) > c->delivered || !buf_is_empty(&c->out)
                   ? CLIENT_SPENT
                   : CLIENT_IDLE;
}

static void response_ended(struct client *c) {
    /* a response before the request's end: the rest of the upload is not wanted, and the connection is out of step */
    if (!c->is_request_complete)
        c->must_close = true;
    c->state = CLIENT_WAIT_SEND;
    settle(c);
}

static void drop_delivered(struct client *c) {
    buf_consume(&c->in, c->delivered);
    c->delivered = 0;
    if (buf_is_empty(&c->in))
        buf_release(&c->in);
}

/* Decodes what has come of the body into `ret`. */
static enum http_fault take_body(struct client *c, size_t head_length, struct upstream_event *ret) {
    char *bytes = c->in.memory + c->in.start + head_length;
    enum http_fault fault = HTTP_OK;
    size_t content = 0;
    ptrdiff_t used = http_body_gather(&c->body, bytes, buf_length(&c->in) - head_length, &content, &fault);

    if (used < 0)
        return fault;
    c->delivered = head_length + (size_t)used;
    ret->data = slice_of(bytes, content);
    ret->is_end = c->body.is_complete;
    if (ret->is_end)
        response_ended(c);
    return HTTP_OK;
}

static enum http_fault take_final_head(struct client *c, size_t head_length, struct upstream_event *ret) {
    struct http_framing framing, declared;
    bool closes, keeps_alive;
    enum http_fault fault = http_response_framing(c->response, c->method, &framing, &declared);

    if (fault == HTTP_OK)
        fault = http_fields_strip_hop_by_hop(&c->response->fields, NULL, 0, &closes, &keeps_alive);
    if (fault != HTTP_OK)
        return fault;
    (void)http_fields_remove(&c->response->fields, HTTP_NAME_SET(CONTENT_LENGTH));
    c->must_close = closes || (c->response->minor == 0 && !keeps_alive) || framing.kind == HTTP_BODY_CLOSE;
    http_body_init(&c->body, framing);
    if (framing.kind == HTTP_BODY_CLOSE)
        framing.kind = HTTP_BODY_CHUNKED; /* to the other half it is a body of unknown length */
    if (framing.kind != HTTP_BODY_NONE || c->response->status == 204)
        declared = framing; /* S 8.6: a 204 has no Content-Length to pass on */
    c->state = CLIENT_WAIT_BODY;
    *ret = (struct upstream_event){
        .type = UPSTREAM_RESPONSE,
        .response = {.status = c->response->status,
                     .fields = c->response->fields.at,
                     .n_fields = c->response->fields.n,
                     .body = framing,
                     .declared = declared},
    };
    return take_body(c, head_length, ret);
}

/* A 101 hands the stream to another protocol: to the one that was asked for, in answer to this very request. */
static enum http_fault judge_switch(const struct client *c) {
    if (!c->expects_switch || !c->is_request_complete)
        return HTTP_UNASKED_SWITCH;
    if (c->response->minor == 0 || !websocket_is_accepted(&c->response->fields, slice_of(c->accept, sizeof(c->accept))))
        return HTTP_BAD_SWITCH;
    return HTTP_OK;
}

static enum http_fault take_interim(struct client *c, size_t head_length, struct upstream_event *ret) {
    bool is_switch = c->response->status == 101, closes, keeps_alive;
    enum http_fault fault = is_switch ? judge_switch(c) : HTTP_OK;

    if (fault != HTTP_OK)
        return fault;
    if (++c->interims > LIMIT_INTERIM_RESPONSES && !is_switch)
        return HTTP_MANY_INTERIMS;
    fault = http_fields_strip_hop_by_hop(&c->response->fields, NULL, 0, &closes, &keeps_alive);
    (void)http_fields_remove(&c->response->fields, HTTP_NAME_SET(CONTENT_LENGTH));
    c->delivered = head_length;
    if (is_switch)
        c->state = CLIENT_SPENT;
    *ret = (struct upstream_event){.type = is_switch ? UPSTREAM_SWITCH : UPSTREAM_INTERIM,
                                   .response = {.status = c->response->status,
                                                .fields = c->response->fields.at,
                                                .n_fields = c->response->fields.n}};
    return fault;
}

/* 1 with an event, -EAGAIN when the head is not whole. */
static int take_head(struct client *c, struct upstream_event *ret) {
    enum http_fault fault;
    ptrdiff_t n = http_response_read(&c->scan, buf_slice(&c->in), c->response, &fault);

    if (n == 0)
        return -EAGAIN;
    if (n > 0) {
        c->scan = (struct http_head_scan){0};
        fault = c->response->status < 200 ? take_interim(c, (size_t)n, ret) : take_final_head(c, (size_t)n, ret);
    }
    return fault == HTTP_OK ? 1 : fail(c, http_fault_reason(fault), ret);
}

static int take_more_body(struct client *c, struct upstream_event *ret) {
    enum http_fault fault;

    *ret = (struct upstream_event){.type = UPSTREAM_DATA};
    fault = take_body(c, 0, ret);
    if (fault != HTTP_OK)
        return fail(c, http_fault_reason(fault), ret);
    if (ret->data.n == 0 && !ret->is_end) {
        drop_delivered(c);
        return -EAGAIN;
    }
    return 1;
}

/* The stream has ended, or broke. */
static int take_end(struct client *c, ssize_t error, struct upstream_event *ret) {
    if (error == 0 && c->state == CLIENT_WAIT_BODY && c->body.kind == HTTP_BODY_CLOSE) {
        *ret = (struct upstream_event){.type = UPSTREAM_DATA, .is_end = true};
        response_ended(c);
        return 1;
    }
    if (c->state == CLIENT_WAIT_BODY)
        return fail(c, "the upstream closed before the response was complete", ret);
    return fail(c, error == 0 ? "the upstream closed without a response" : "the upstream broke the connection off",
                ret);
}

int client_receive(struct client *c, struct upstream_event *ret) {
    ssize_t n = -EAGAIN;

    drop_delivered(c);
    while (c->state == CLIENT_WAIT_HEAD || c->state == CLIENT_WAIT_BODY) {
        int r = -EAGAIN;

        if (!buf_is_empty(&c->in))
            r = c->state == CLIENT_WAIT_HEAD ? take_head(c, ret) : take_more_body(c, ret);
        if (r == 1)
            return 1;
        n = fill(c);
        if (n == -EAGAIN)
            return -EAGAIN;
        if (n <= 0)
            return take_end(c, n, ret);
    }
    return -EAGAIN;
}

void client_rest(struct client *c) {
    drop_delivered(c);
    buf_release(&c->out);
}

void client_sleep(struct client *c) {
    client_rest(c);
    forget_response(c);
    stream_rest(&c->stream);
}

bool client_is_stale(struct client *c) {
    char byte;
    ssize_t n = stream_read(&c->stream, &byte, 1);

    return n != -EAGAIN;
}
