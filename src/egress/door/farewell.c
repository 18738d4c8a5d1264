#include "egress/door/farewell.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"
#include "relay/exchange.h"

struct farewell {
    struct stream client;
    struct buf out;
    bool is_shut; /* all is said */
    size_t drained;
    struct timer deadline;
    void (*closed)(void *owner);
    void *owner;
};

static void farewell_free(struct farewell *f) {
    timer_cancel(&f->deadline);
    stream_done(&f->client);
    buf_release(&f->out);
    free(f);
}

static void end(struct farewell *f) {
    void (*closed)(void *owner) = f->closed;
    void *owner = f->owner;

    farewell_free(f);
    closed(owner);
}

/* False when nobody is there to take it. */
static bool speak(struct farewell *f) {
    while (!buf_is_empty(&f->out)) {
        struct slice left = buf_slice(&f->out);
        ssize_t n = stream_is_ready(&f->client, EPOLLOUT) ? stream_write(&f->client, &left, 1) : -EAGAIN;

        if (n < 0)
            return n == -EAGAIN;
        buf_consume(&f->out, (size_t)n);
    }
    if (!f->is_shut)
        stream_shut_write(&f->client);
    f->is_shut = true;
    return true;
}

/* A connection closed with unread bytes is reset, and the client may never see its answer (§9.6). False at its end. */
static bool drain(struct farewell *f) {
    char bytes[4096];

    while (stream_is_ready(&f->client, EPOLLIN)) {
        ssize_t n = stream_read(&f->client, bytes, sizeof(bytes));

        if (n <= 0)
            return n == -EAGAIN;
        f->drained += (size_t)n;
        if (f->drained > LIMIT_DRAIN)
            return false;
    }
    return true;
}

static void step(struct farewell *f) {
    if (stream_is_ready(&f->client, EPOLLHUP | EPOLLERR) || !speak(f) || !drain(f))
        end(f);
}

static void client_ready(struct watch *watch) {
    step(container_of(watch, struct farewell, client.watch));
}

static void too_late(struct timer *timer) {
    end(container_of(timer, struct farewell, deadline));
}

static int write_answer(struct buf *out, const struct problem *problem) {
    static const struct http_field type = {SLICE("Content-Type"), SLICE("application/json")};
    _uninitialised_ char body[PROBLEM_MAX];
    struct exchange x = {.minor = 1};
    struct exchange_words words = {.fields = &type, .n_fields = 1};

    words.body = slice_of(body, problem_body(body, problem));
    return exchange_write_words(&x, problem->status, &words, false, out);
}

int farewell_say(struct stream *client, const struct problem *problem, void (*closed)(void *owner), void *owner) {
    struct farewell *f = calloc(1, sizeof(*f));
    int r;

    if (!f) {
        stream_done(client);
        return -ENOMEM;
    }
    f->closed = closed;
    f->owner = owner;
    f->deadline.on_expiry = too_late;
    buf_init(&f->out, PROBLEM_MAX + LIMIT_READ);
    r = stream_move(client, &f->client, client_ready);
    if (r == 0)
        r = write_answer(&f->out, problem);
    if (r < 0) {
        farewell_free(f);
        return r;
    }
    timer_set(&f->deadline, TIMEOUT_LINGER);
    watch_again(&f->client.watch);
    return 0;
}
