#include "cmd/http_exchange.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "wire/http_body.h"

/* What the reading side is waiting for. */
enum answer_state { WAIT_HEAD, WAIT_BODY, ANSWERED };

struct answer {
    enum answer_state state;
    struct buf in;
    struct http_head_scan scan;
    unsigned interims;
    struct http_body body;
};

static void answer_done(struct answer *answer) {
    buf_release(&answer->in);
}

static enum exchange_end fail(struct exchange *x, enum exchange_end end, int error) {
    x->error = error;
    return end;
}

static enum exchange_end refuse(struct exchange *x, enum http_fault fault) {
    x->fault = fault;
    return EXCHANGE_BAD_ANSWER;
}

static enum exchange_end output_write(struct exchange *x, struct slice bytes) {
    int r = fd_write_all(x->output, bytes.p, bytes.n);

    return r < 0 ? fail(x, EXCHANGE_OUTPUT_ERROR, r) : EXCHANGE_GOES_ON;
}

/* The peer takes no more of the request. Its answer may be here already, or never come: reading tells. */
static void upload_stop(struct exchange *x) {
    buf_release(x->request);
    x->upload->is_complete = true;
}

static enum exchange_end request_send(struct exchange *x) {
    struct slice out = buf_slice(x->request);
    ssize_t n = send(x->stream, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n >= 0)
        buf_consume(x->request, (size_t)n);
    else if (errno == EPIPE || errno == ECONNRESET)
        upload_stop(x);
    else if (errno != EAGAIN && errno != EINTR)
        return fail(x, EXCHANGE_ERROR, -errno);
    return EXCHANGE_GOES_ON;
}

/* A final response's head: what follows it, and what the caller wants to see of it. */
static enum exchange_end head_accept(struct exchange *x, struct answer *answer, const struct http_response *response,
                                     struct slice head) {
    struct http_framing framing, declared;
    enum http_fault fault = http_response_framing(response, x->method, &framing, &declared);

    if (fault != HTTP_OK)
        return refuse(x, fault);
    x->status = response->status;
    http_body_init(&answer->body, framing);
    answer->state = WAIT_BODY;
    return x->shows_head ? output_write(x, head) : EXCHANGE_GOES_ON;
}

/* Takes one head off the input, if all of it is here. */
static enum exchange_end head_read(struct exchange *x, struct answer *answer) {
    struct http_response response;
    enum http_fault fault = HTTP_OK;
    struct slice head;
    enum exchange_end end = EXCHANGE_GOES_ON;
    ptrdiff_t n = http_head_scan(&answer->scan, HTTP_RESPONSE, buf_slice(&answer->in), &fault);

    if (n == 0)
        return EXCHANGE_GOES_ON;
    if (n < 0)
        return refuse(x, fault);
    head = slice_first(buf_slice(&answer->in), (size_t)n);
    fault = http_response_parse(head, &response);
    if (fault != HTTP_OK)
        return refuse(x, fault);
    if (response.status >= 200)
        end = head_accept(x, answer, &response, head);
    else if (response.status == 101 || ++answer->interims > LIMIT_INTERIM_RESPONSES)
        return refuse(x, HTTP_BAD_STATUS_LINE); /* we asked for no upgrade (S 15.2.2) */
    buf_consume(&answer->in, (size_t)n);
    answer->scan = (struct http_head_scan){0};
    return end;
}

/* Decodes and writes out what is here of the body. */
static enum exchange_end body_read(struct exchange *x, struct answer *answer) {
    while (!answer->body.is_complete) {
        enum http_fault fault = HTTP_OK;
        struct slice data;
        ptrdiff_t n = http_body_decode(&answer->body, buf_slice(&answer->in), &data, &fault);

        if (n < 0)
            return refuse(x, fault);
        if (n == 0)
            return EXCHANGE_GOES_ON;
        if (data.n > 0 && output_write(x, data) != EXCHANGE_GOES_ON)
            return EXCHANGE_OUTPUT_ERROR;
        x->body_bytes += data.n;
        buf_consume(&answer->in, (size_t)n);
    }
    answer->state = ANSWERED;
    return EXCHANGE_GOES_ON;
}

/* Goes from state to state for as long as the input allows. */
static enum exchange_end answer_step(struct exchange *x, struct answer *answer) {
    enum exchange_end end = EXCHANGE_GOES_ON;
    size_t before;

    do {
        before = buf_length(&answer->in);
        if (answer->state == WAIT_HEAD)
            end = head_read(x, answer);
        else if (answer->state == WAIT_BODY)
            end = body_read(x, answer);
    } while (end == EXCHANGE_GOES_ON && answer->state != ANSWERED && buf_length(&answer->in) < before);
    return end;
}

static enum exchange_end answer_end(const struct answer *answer, bool is_orderly) {
    if (answer->state == WAIT_HEAD)
        return EXCHANGE_NO_ANSWER;
    return is_orderly && http_body_may_end(&answer->body) ? EXCHANGE_COMPLETE : EXCHANGE_CUT;
}

static enum exchange_end answer_receive(struct exchange *x, struct answer *answer) {
    size_t room;
    char *at = buf_reserve(&answer->in, LIMIT_READ, &room);
    ssize_t n;
    enum exchange_end end;

    if (!at)
        return fail(x, EXCHANGE_ERROR, -errno);
    n = recv(x->stream, at, room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return EXCHANGE_GOES_ON;
    if (n < 0 && errno != ECONNRESET)
        return fail(x, EXCHANGE_ERROR, -errno);
    if (n <= 0)
        return answer_end(answer, n == 0);
    buf_commit(&answer->in, (size_t)n);
    end = answer_step(x, answer);
    return end == EXCHANGE_GOES_ON && answer->state == ANSWERED ? EXCHANGE_COMPLETE : end;
}

static enum exchange_end upload_read(struct exchange *x) {
    int r = upload_fill(x->upload, x->request);

    return r < 0 ? fail(x, EXCHANGE_UPLOAD_ERROR, r) : EXCHANGE_GOES_ON;
}

/* Waits until one of the three can go on: the answer, the sending of what is ready, the reading of the upload. */
static enum exchange_end exchange_step(struct exchange *x, struct answer *answer) {
    bool sends = !buf_is_empty(x->request);
    bool reads = !sends && !x->upload->is_complete;
    struct pollfd wait[] = {
        {.fd = x->stream, .events = (short)(sends ? POLLIN | POLLOUT : POLLIN)},
        {.fd = reads ? x->upload->fd : -1, .events = POLLIN}, /* poll passes over a negative number */
    };
    enum exchange_end end = EXCHANGE_GOES_ON;

    if (reads && x->upload->fd < 0)
        return upload_read(x); /* text is always ready */
    if (poll(wait, ARRAY_LEN(wait), -1) < 0)
        return errno == EINTR ? EXCHANGE_GOES_ON : fail(x, EXCHANGE_ERROR, -errno);
    if (wait[0].revents & (POLLIN | POLLHUP | POLLERR))
        end = answer_receive(x, answer);
    if (end == EXCHANGE_GOES_ON && sends && wait[0].revents & POLLOUT)
        end = request_send(x);
    if (end == EXCHANGE_GOES_ON && wait[1].revents != 0)
        end = upload_read(x);
    return end;
}

enum exchange_end exchange_run(struct exchange *exchange) {
    _cleanup_(answer_done) struct answer answer = {.state = WAIT_HEAD};
    enum exchange_end end;

    buf_init(&answer.in, LIMIT_HEAD + LIMIT_READ);
    do
        end = exchange_step(exchange, &answer);
    while (end == EXCHANGE_GOES_ON);
    return end;
}
