#include "egress/door/proxy_forward.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/door/door_canary.h"
#include "egress/door/house.h"
#include "egress/door/listener.h"
#include "egress/door/proxy_onward.h"
#include "egress/door/proxy_tell.h"
#include "relay/client.h"
#include "relay/problem.h"

#define DEFAULT_PORT 80

struct proxy_forward {
    uint64_t way;
    struct connection connection; /* to the client */
    struct connection_owner owner;
    struct exchange_rules rules;
    char authority[CONNECT_TARGET_MAX];
    struct upstream upstream; /* what the connection sees of this */
    struct client client;     /* to the host */
    struct timer deadline;    /* of the host: to take, to answer, to go on */
    struct canary_stream canary;
    struct buf out; /* the request's head, or the body of an answer of our own */
    char method[LIMIT_METHOD];
    size_t method_n;
    struct buf path;
    struct proxy_use use;
    const char *fault; /* why it goes no further; an event that is still to be told */
    unsigned fault_status;
    bool is_begun, is_sent, is_answered; /* the exchange; all of the request; the response's head */
    bool is_told;
};

/* The line of the audit, once. */
static void account_for(struct proxy_forward *f, const char *reason) {
    if (f->is_told)
        return;
    f->is_told = true;
    f->use.method = slice_of(f->method, f->method_n);
    f->use.path = buf_slice(&f->path);
    f->use.reason = slice_of_string(reason);
    proxy_tell_used(f->way, &f->use);
}

static void forward_free(struct proxy_forward *f) {
    account_for(f, "the client left before its request");
    proxy_tell_closed(f->way);
    timer_cancel(&f->deadline);
    client_done(&f->client);
    canary_stream_done(&f->canary);
    buf_release(&f->out);
    buf_release(&f->path);
    listener_left();
    free(f);
}

static void connection_closed(struct connection *c) {
    forward_free(container_of(c, struct proxy_forward, connection));
}

/* By the strict parser, before there was an exchange. What goes wrong in one is accounted for where it does. */
static void connection_refused(struct connection *c, unsigned status, struct slice reason) {
    struct proxy_forward *f = container_of(c, struct proxy_forward, connection);

    if (f->is_begun)
        return;
    f->use.outcome = PROXY_MALFORMED;
    f->use.status = status;
    f->use.reason = reason;
    f->is_told = true;
    proxy_tell_used(f->way, &f->use);
}

/* The far half goes no further; the client is told with the next event. */
static void fail(struct proxy_forward *f, enum proxy_outcome outcome, unsigned status, const char *reason) {
    if (f->fault)
        return;
    f->fault = reason;
    f->fault_status = status;
    f->use.outcome = outcome;
    f->use.status = f->is_answered ? f->use.status : status;
    timer_cancel(&f->deadline);
    stream_break_off(&f->client.stream); /* half a request must not look like a whole one */
    account_for(f, reason);
}

static void set_deadline(struct proxy_forward *f) {
    if (f->fault || f->is_told)
        timer_cancel(&f->deadline);
    else if (!buf_is_empty(&f->client.out))
        timer_set(&f->deadline, house_timeouts()->write_ms);
    else if (f->is_answered)
        timer_set(&f->deadline, TIMEOUT_STREAM);
    else if (f->is_sent)
        timer_set(&f->deadline, TIMEOUT_RESPONSE);
    else
        timer_cancel(&f->deadline);
}

static void wake(struct proxy_forward *f) {
    f->upstream.wake(f->upstream.owner);
}

static void host_late(struct timer *timer) {
    struct proxy_forward *f = container_of(timer, struct proxy_forward, deadline);

    fail(f, PROXY_LATE, 504,
         f->is_answered ? "the host stopped in the middle of its response" : "the host sent no response in time");
    wake(f);
}

static void host_ready(struct watch *watch) {
    struct proxy_forward *f = container_of(watch, struct proxy_forward, client.stream.watch);

    wake(f);
}

/* A placeholder, whichever lease's, has no business here: it stands for a key, and somebody takes it for one. */
static bool is_betrayed(struct proxy_forward *f, int found) {
    if (found < 0)
        fail(f, PROXY_NO_MEMORY, 503, "out of memory");
    else if (found > 0)
        fail(f, PROXY_BETRAYED, 403, "the placeholder of a lease stands in a request to another host");
    return f->fault != NULL;
}

static int look(struct proxy_forward *f, struct slice data) {
    uint32_t lease;

    f->use.bytes_in += data.n;
    return door_canary() ? canary_stream_look(&f->canary, data, &lease) : 0;
}

static int remember(struct proxy_forward *f, const struct request_head *request) {
    struct slice method = slice_first(request->method, sizeof(f->method));

    memcpy(f->method, method.p, method.n);
    f->method_n = method.n;
    if (door_canary() && canary_stream_begin(&f->canary, door_canary()) < 0)
        return -ENOMEM;
    return buf_append(&f->path, request->path);
}

/* What stands in the path goes into the audit without it. */
static bool is_head_betrayed(struct proxy_forward *f) {
    struct slice path = buf_slice(&f->path);
    uint32_t lease;
    int found = door_canary() ? canary_look(door_canary(), buf_slice(&f->out), &lease) : 0;

    if (found > 0 && path.n > 0)
        canary_hide(door_canary(), f->path.memory + f->path.start, path.n);
    return is_betrayed(f, found);
}

static int begin(struct upstream *u, const struct request_head *request, struct slice data, bool is_end) {
    struct proxy_forward *f = container_of(u, struct proxy_forward, upstream);
    int r = remember(f, request);

    f->is_begun = true;
    f->is_sent = is_end;
    if (r == 0)
        r = proxy_onward_write(slice_of_string(f->authority), request, &f->out);
    if (r < 0)
        fail(f, PROXY_TOO_LARGE, 431, "the request does not fit");
    if (f->fault || is_head_betrayed(f) || is_betrayed(f, look(f, data)))
        return 0;
    r = proxy_onward_body(request->body, data, is_end, &f->out);
    if (r == 0)
        r = client_begin(&f->client, buf_slice(&f->out), slice_equals(request->method, SLICE("HEAD")), request->body,
                         is_end);
    buf_release(&f->out);
    if (r < 0)
        fail(f, PROXY_BROKEN, 502, "the host broke the connection off");
    set_deadline(f);
    return 0;
}

static int send_more(struct upstream *u, struct slice data, bool is_end) {
    struct proxy_forward *f = container_of(u, struct proxy_forward, upstream);
    int r;

    if (f->fault)
        return 0; /* it is told so by the event */
    r = client_flush(&f->client);
    if (r == -EAGAIN)
        return r;
    if (is_betrayed(f, look(f, data)))
        return 0;
    if (r == 0)
        r = client_send(&f->client, data, is_end);
    f->is_sent = f->is_sent || is_end;
    set_deadline(f);
    return r < 0 && r != -EAGAIN ? 0 : r; /* it may have answered before it closed: that is read next */
}

/* An answer of our own: with the rule and the hint of what it was. */
static void make_answer(struct proxy_forward *f, struct upstream_event *ret) {
    static const struct http_field type = {SLICE("Content-Type"), SLICE("application/json")};
    char body[PROBLEM_MAX];
    size_t n = problem_body(body, &(struct problem){.status = f->fault_status,
                                                    .rule = proxy_outcome_rule(f->use.outcome),
                                                    .reason = slice_of_string(f->fault),
                                                    .hint = proxy_outcome_hint(f->use.outcome)});
    struct http_framing framing = {HTTP_BODY_LENGTH, n};

    buf_release(&f->out);
    if (buf_append(&f->out, slice_of(body, n)) < 0)
        framing.length = 0;
    *ret = (struct upstream_event){
        .type = UPSTREAM_RESPONSE,
        .response = {.status = f->fault_status, .fields = &type, .n_fields = 1, .body = framing, .declared = framing},
        .data = buf_slice(&f->out),
        .is_end = true};
}

static void make_fault(struct proxy_forward *f, struct upstream_event *ret) {
    if (f->is_answered)
        *ret = (struct upstream_event){
            .type = UPSTREAM_ABORT, .status = f->fault_status, .reason = slice_of_string(f->fault)};
    else
        make_answer(f, ret);
    f->is_answered = true;
}

static void note(struct proxy_forward *f, const struct upstream_event *event) {
    if (event->type == UPSTREAM_RESPONSE) {
        f->is_answered = true;
        f->use.status = event->response.status;
    }
    f->use.bytes_out += event->data.n;
    if (event->is_end)
        account_for(f, "");
    set_deadline(f);
}

static int receive(struct upstream *u, struct upstream_event *ret) {
    struct proxy_forward *f = container_of(u, struct proxy_forward, upstream);

    if (!f->is_begun || (f->is_told && !f->fault))
        return -EAGAIN;
    if (!f->fault) {
        int r = client_flush(&f->client);

        (void)r; /* what it takes no more shows in what it says */
        if (client_receive(&f->client, ret) != 1)
            return -EAGAIN;
        if (ret->type != UPSTREAM_ABORT) {
            note(f, ret);
            return 1;
        }
        fail(f, PROXY_BROKEN, 502, f->client.fault);
    }
    make_fault(f, ret);
    return 1;
}

static void abandon(struct upstream *u, unsigned status, const char *reason) {
    struct proxy_forward *f = container_of(u, struct proxy_forward, upstream);

    if (!f->is_begun || f->is_told)
        return;
    f->use.status = f->use.status ? f->use.status : status;
    stream_break_off(&f->client.stream);
    account_for(f, reason);
}

static const struct upstream_ops ops = {.begin = begin, .send = send_more, .receive = receive, .abandon = abandon};

static struct proxy_forward *forward_new(uint64_t way, const struct connect_target *target) {
    struct proxy_forward *f = calloc(1, sizeof(*f));
    size_t n;

    if (!f)
        return NULL;
    f->way = way;
    f->upstream.ops = &ops;
    f->deadline.on_expiry = host_late;
    buf_init(&f->out, LIMIT_DATAGRAM + LIMIT_READ);
    buf_init(&f->path, LIMIT_TARGET);
    n = connect_target_format(target, f->authority);
    if (target->port == DEFAULT_PORT)
        n -= sizeof(":80") - 1;
    f->authority[n] = '\0';
    f->rules = (struct exchange_rules){.door = DOOR_PROXY,
                                       .authority = slice_of_string(f->authority),
                                       .default_port = DEFAULT_PORT,
                                       .is_single = true};
    f->owner = (struct connection_owner){
        .rules = &f->rules, .timeouts = house_timeouts(), .refused = connection_refused, .closed = connection_closed};
    return f;
}

/* Takes both ends over. */
static int open_ends(struct proxy_forward *f, struct stream *client, struct slice early, int upstream) {
    struct stream host = {.fd = -EBADF};
    int r;

    (void)setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    r = stream_init(&host, upstream, host_ready);
    if (r == 0)
        r = client_init(&f->client, &host, host_ready);
    if (r < 0) {
        stream_done(client);
        return r;
    }
    return connection_init_stream(&f->connection, client, early, &f->upstream, &f->owner);
}

int proxy_forward_serve(uint64_t way, struct stream *client, struct slice early, int upstream,
                        const struct connect_target *target) {
    struct proxy_forward *f = forward_new(way, target);
    int r;

    if (!f) {
        stream_done(client);
        fd_close(&upstream);
        proxy_tell_used(way, &(struct proxy_use){.outcome = PROXY_NO_MEMORY, .reason = SLICE("out of memory")});
        proxy_tell_closed(way);
        listener_left();
        return -ENOMEM;
    }
    r = open_ends(f, client, early, upstream);
    if (r < 0)
        forward_free(f);
    return r;
}
