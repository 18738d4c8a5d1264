#include "egress/keeper_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/account.h"
#include "egress/exchange_codec.h"
#include "egress/inject.h"
#include "egress/rule.h"
#include "proc/role.h"
#include "relay/problem.h"

#define STREAM_TURN 32

enum stream_state {
    WAIT_REQUEST,  /* for the relay to begin */
    WAIT_UPSTREAM, /* for a connection */
    WAIT_RESPONSE, /* the exchange is under way on `client` */
    WAIT_END,      /* it is answered; what is left of the request is thrown away */
};

struct keeper_stream {
    uint64_t id;
    struct watch watch;
    int fd;
    enum stream_state state;
    const struct held_credential *held;
    struct origin *origin;
    const struct timeouts *timeouts;
    struct origin_attempt *attempt;
    struct client *client;
    struct timer deadline; /* of the upstream: to take, to answer, to go on */
    struct buf request;    /* head and first content, with the key: until it has been answered */
    struct buf held_back;  /* a message to the relay that did not fit */

    struct account account; /* of the exchange under way, and the rest of what is known of it: */
    struct http_framing body;
    bool is_whole;      /* the request fits into `request`, and can be sent a second time */
    bool is_reused;     /* on a connection that was warm */
    bool is_upload_off; /* the upstream takes no more: what the relay sends is thrown away */
    bool is_ended;      /* the relay has sent the request's last byte */
};

static void set_state(struct keeper_stream *s, enum stream_state state) {
    static const char *const names[] = {"WAIT_REQUEST", "WAIT_UPSTREAM", "WAIT_RESPONSE", "WAIT_END"};

    log_debug("stream %llu: %s -> %s", (unsigned long long)s->id, names[s->state], names[state]);
    s->state = state;
}

static void drop_upstream(struct keeper_stream *s) {
    origin_cancel(s->attempt);
    s->attempt = NULL;
    if (s->client)
        origin_give_back(s->origin, s->client);
    s->client = NULL;
    timer_cancel(&s->deadline);
    buf_release(&s->request);
}

static bool is_in_exchange(const struct keeper_stream *s) {
    return s->state == WAIT_UPSTREAM || s->state == WAIT_RESPONSE;
}

void keeper_stream_ended(uint64_t id) {
    struct ipc_writer w = ipc_begin(IPC_STREAM_ENDED);

    ipc_put_u64(&w, id);
    role_send(&w, -EBADF);
}

static void stream_free(struct keeper_stream *s, const char *reason) {
    if (is_in_exchange(s))
        account_close(&s->account, s->id, reason);
    if (s->client)
        s->client->must_close = true; /* in the middle of something: never for another */
    drop_upstream(s);
    watch_remove(&s->watch);
    fd_close(&s->fd);
    buf_release(&s->held_back);
    account_done(&s->account);
    keeper_stream_ended(s->id);
    free(s);
}

/* 0, also when the kernel has no room and the message is kept; -errno when the relay is gone. */
static int tell_relay(struct keeper_stream *s, const struct upstream_event *event) {
    struct ipc_writer w = event_encode(event);
    int r = buf_is_empty(&s->held_back) ? ipc_send(s->fd, &w, -EBADF) : -EPIPE; /* nothing overtakes, nothing joins */

    if (r != -EAGAIN)
        return r;
    watch_not_ready(&s->watch, EPOLLOUT);
    r = buf_append(&s->held_back, ipc_writer_bytes(&w));
    return r == 0 ? buf_append(&s->held_back, event->data) : r;
}

static int send_held_back(struct keeper_stream *s) {
    struct slice bytes = buf_slice(&s->held_back);
    struct ipc_writer w = ipc_begin((enum ipc_type)bytes.p[0]);
    int r;

    ipc_put_raw(&w, slice_from(bytes, 1));
    r = ipc_send(s->fd, &w, -EBADF);
    if (r == 0)
        buf_release(&s->held_back);
    else if (r == -EAGAIN)
        watch_not_ready(&s->watch, EPOLLOUT);
    return r;
}

/* The exchange is over for the workload. What the relay still sends of the request is thrown away. */
static void end_exchange(struct keeper_stream *s, const char *reason) {
    account_close(&s->account, s->id, reason);
    if (s->client && !s->is_ended)
        s->client->must_close = true;
    drop_upstream(s);
    set_state(s, s->is_ended ? WAIT_REQUEST : WAIT_END);
}

/* An answer of the keeper's own. */
static int refuse(struct keeper_stream *s, unsigned status, const char *reason, struct slice hint) {
    char body[PROBLEM_MAX];
    size_t n = problem_body(body, status, s->held->credential->name, slice_of_string(reason), hint);
    struct http_field type = {SLICE("Content-Type"), SLICE("application/json")};
    struct http_framing framing = {HTTP_BODY_LENGTH, n};
    struct upstream_event event = {
        .type = UPSTREAM_RESPONSE,
        .response = {.status = status, .fields = &type, .n_fields = 1, .body = framing, .declared = framing},
        .data = slice_of(body, n),
        .is_end = true,
    };

    s->account.status = status;
    s->account.bytes_out = n;
    end_exchange(s, reason);
    return tell_relay(s, &event);
}

/* The upstream failed. Before its response has begun that is a 502 or 504; afterwards the response is cut. */
static int upstream_failed(struct keeper_stream *s, unsigned status, const char *reason) {
    struct upstream_event event = {.type = UPSTREAM_ABORT, .status = status, .reason = slice_of_string(reason)};

    if (s->client)
        s->client->must_close = true;
    if (s->account.status == 0)
        return refuse(s, status, reason, SLICE_EMPTY);
    end_exchange(s, reason);
    return tell_relay(s, &event);
}

/* The time that the upstream has for what is waited for now. While the workload is slow, it has all the time. */
static void set_deadline(struct keeper_stream *s) {
    if (!buf_is_empty(&s->held_back))
        timer_cancel(&s->deadline);
    else if (!buf_is_empty(&s->client->out))
        timer_set(&s->deadline, s->timeouts->write);
    else if (s->account.status != 0)
        timer_set(&s->deadline, s->timeouts->stream);
    else if (s->is_ended || s->is_upload_off)
        timer_set(&s->deadline, s->held->credential->response_timeout_ms);
    else
        timer_cancel(&s->deadline);
}

static void stream_step(struct keeper_stream *s);
static void upstream_connected(void *owner, struct client *client, unsigned status, const char *reason);

static void client_ready(struct watch *watch) {
    struct client *client = container_of(watch, struct client, stream.watch);

    stream_step(client->owner);
}

static int connect_upstream(struct keeper_stream *s) {
    set_state(s, WAIT_UPSTREAM);
    s->attempt = origin_connect(s->origin, upstream_connected, s);
    return s->attempt ? 0 : upstream_failed(s, 503, "out of memory");
}

/* The request is serialised and a connection is there. */
static int begin_on(struct keeper_stream *s, struct client *client) {
    bool is_head = slice_equals(account_method(&s->account), SLICE("HEAD"));
    int r;

    s->client = client;
    client_attach(client, s, client_ready);
    set_state(s, WAIT_RESPONSE);
    r = client_begin(client, buf_slice(&s->request), is_head, s->body, s->is_whole);
    if (r == -ENOMEM || r == -ENOBUFS)
        return upstream_failed(s, 503, "out of memory");
    if (r < 0)
        s->is_upload_off = true; /* it may have answered before it closed: that is read next */
    if (!s->is_whole)
        buf_release(&s->request);
    set_deadline(s);
    return 0;
}

/* S 9.2.2 */
static bool is_idempotent(const struct keeper_stream *s) {
    static const struct slice methods[] = {{"GET", 3}, {"HEAD", 4}, {"PUT", 3}, {"DELETE", 6}, {"OPTIONS", 7}};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_equals(account_method(&s->account), methods[i]))
            return true;
    return false;
}

/* A warm connection that the upstream had closed already: nothing came back, and sending again does no harm. */
static bool may_retry(const struct keeper_stream *s) {
    return s->is_reused && s->is_whole && !s->client->is_answered && (s->client->sent == 0 || is_idempotent(s));
}

static int retry(struct keeper_stream *s) {
    s->client->must_close = true;
    origin_give_back(s->origin, s->client);
    s->client = NULL;
    s->is_reused = false;
    s->is_upload_off = false;
    timer_cancel(&s->deadline);
    return connect_upstream(s);
}

/* A new exchange: nothing of the last one counts. */
static int remember(struct keeper_stream *s, const struct request_head *request, struct slice data, bool is_end) {
    int r = account_open(&s->account, request);

    s->account.bytes_in = data.n;
    s->body = request->body;
    s->is_whole = s->is_ended = is_end;
    s->is_reused = s->is_upload_off = false;
    return r;
}

/* Head and first content, framed: what goes out, and can go out again while the connection proves dead. */
static int serialise(struct keeper_stream *s, const struct request_head *request, struct slice data, bool is_end) {
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    size_t n = 1;
    char line[20];
    int r = inject_write_head(&s->request, s->held->credential, s->held->secret, request);

    if (request->body.kind == HTTP_BODY_CHUNKED)
        n = http_chunk_frame(data, is_end, line, parts);
    return r == 0 ? buf_append_rest(&s->request, parts, n, 0) : r;
}

static int refuse_before(struct keeper_stream *s, unsigned status, const char *reason, struct slice hint) {
    s->account.is_refused = true;
    return refuse(s, status, reason, hint);
}

/*
 * Rules first, then whether the key has an unambiguous place. If not, a refusal was sent: `*ret` is what became of it.
 */
static bool is_permitted(struct keeper_stream *s, const struct request_head *request, int *ret) {
    const struct credential *credential = s->held->credential;
    const char *fault;

    switch (rule_decide(credential, request->method, request->path, &s->account.rule)) {
    case RULE_NONE:
        *ret = refuse_before(s, 403, "no rule of this lease allows this method and path",
                             SLICE("add a line to the credential's allow list, such as: GET /path/**"));
        return false;
    case RULE_AMBIGUOUS:
        *ret = refuse_before(s, 403, "the path means one thing as written and another when normalised",
                             SLICE("send the path without dot segments, empty segments or escapes"));
        return false;
    case RULE_ALLOWS:
        break;
    }
    fault = inject_check(credential, request);
    if (fault)
        *ret = refuse_before(s, 400, fault, SLICE_EMPTY);
    return fault == NULL;
}

static int begin_exchange(struct keeper_stream *s, struct ipc_message *m) {
    static struct http_fields fields; /* of the message; of no use when this returns */
    struct request_head request;
    struct client *warm;
    struct slice data;
    bool is_end;
    int r = request_decode(m, &fields, &request, &data, &is_end);

    if (r < 0)
        return r;
    r = remember(s, &request, data, is_end);
    if (r < 0)
        return r;
    if (is_end) /* the relay says no more before it is answered, but that it goes: either is a new edge */
        watch_not_ready(&s->watch, EPOLLIN);
    if (!is_permitted(s, &request, &r))
        return r;
    r = serialise(s, &request, data, is_end);
    if (r < 0)
        return refuse_before(s, r == -ENOMEM ? 503 : 431, "the request does not fit", SLICE_EMPTY);
    warm = origin_take(s->origin);
    s->is_reused = warm != NULL;
    return warm ? begin_on(s, warm) : connect_upstream(s);
}

static void upstream_connected(void *owner, struct client *client, unsigned status, const char *reason) {
    struct keeper_stream *s = owner;
    int r;

    s->attempt = NULL;
    r = client ? begin_on(s, client) : upstream_failed(s, status, reason);
    if (r < 0)
        stream_free(s, "the relay is gone");
    else
        stream_step(s);
}

static int more_content(struct keeper_stream *s, struct ipc_message *m) {
    struct slice data;
    bool is_end;
    int r = data_decode(m, &data, &is_end);

    if (r < 0 || s->is_ended)
        return -EPROTO;
    s->is_ended = is_end;
    if (s->state == WAIT_END && is_end)
        set_state(s, WAIT_REQUEST);
    if (s->state != WAIT_RESPONSE)
        return 0;
    s->account.bytes_in += data.n;
    /* what was declared is what is sent: no more, and an end only where it is due */
    if (s->body.kind == HTTP_BODY_LENGTH &&
        (s->account.bytes_in > s->body.length || (is_end && s->account.bytes_in != s->body.length)))
        return -EPROTO;
    if (!s->is_upload_off && client_send(s->client, data, is_end) < 0)
        s->is_upload_off = true;
    set_deadline(s);
    return 0;
}

/* The workload broke its request off: the upstream must never see it end well. */
static int abandoned(struct keeper_stream *s, struct ipc_message *m) {
    char why[256];
    struct slice reason;
    unsigned status;
    int r = abort_decode(m, &status, &reason);

    if (r < 0)
        return r;
    if (is_in_exchange(s)) {
        (void)snprintf(why, sizeof(why), "%.*s", SLICE_ARG(reason));
        s->account.status = s->account.status ? s->account.status : status;
        if (s->client)
            s->client->must_close = true;
        s->is_ended = false;
        end_exchange(s, why);
    }
    return 0;
}

static int take_message(struct keeper_stream *s, struct ipc_message *m) {
    if (m->type == IPC_REQUEST && s->state == WAIT_REQUEST)
        return begin_exchange(s, m);
    if (m->type == IPC_DATA && s->state != WAIT_REQUEST)
        return more_content(s, m);
    if (m->type == IPC_ABORT)
        return abandoned(s, m);
    log_error("stream %llu: a message %s that is not permitted here", (unsigned long long)s->id,
              ipc_type_name(m->type));
    fd_close(&m->fd);
    return -EPROTO;
}

/* What the upstream has not taken yet waits, and the relay with it; so does a request for its connection. */
static bool may_receive(const struct keeper_stream *s) {
    if (s->watch.ready & (EPOLLRDHUP | EPOLLHUP))
        return true; /* the relay is gone: its last words are read, and its end */
    if (s->state == WAIT_UPSTREAM || (s->state == WAIT_RESPONSE && !buf_is_empty(&s->client->out)))
        return false;
    return s->watch.ready & EPOLLIN;
}

/* The relay's next message, if it can be used now: 1 when one was, 0 when not, -errno for the end. */
static int move_request(struct keeper_stream *s) {
    struct ipc_message m;
    int r;

    if (!may_receive(s))
        return 0;
    r = ipc_receive(s->fd, &m);
    if (r == -EAGAIN) {
        watch_not_ready(&s->watch, EPOLLIN | EPOLLRDHUP);
        return 0;
    }
    if (r <= 0)
        return -EPIPE;
    r = take_message(s, &m);
    return r < 0 ? r : 1;
}

/* A session that the upstream opens for the key would outlive the lease in the workload's hands. */
static void strip_cookies(struct keeper_stream *s, struct upstream_event *event) {
    (void)http_fields_remove(&s->client->response.fields, SLICE("Set-Cookie"));
    (void)http_fields_remove(&s->client->response.fields, SLICE("Set-Cookie2"));
    event->response.n_fields = s->client->response.fields.n;
}

static int deliver(struct keeper_stream *s, struct upstream_event *event) {
    int r;

    if (event->type == UPSTREAM_RESPONSE || event->type == UPSTREAM_INTERIM)
        strip_cookies(s, event);
    if (event->type == UPSTREAM_RESPONSE)
        s->account.status = event->response.status;
    s->account.bytes_out += event->data.n;
    r = tell_relay(s, event);
    if (r == 0 && event->is_end)
        end_exchange(s, "");
    else if (r == 0)
        set_deadline(s);
    return r;
}

/* What waits for the upstream. Before the relay's next message: that one is only taken when nothing waits. */
static void move_waiting(struct keeper_stream *s) {
    uint64_t sent;
    int r;

    if (s->state != WAIT_RESPONSE || buf_is_empty(&s->client->out))
        return;
    sent = s->client->sent;
    r = client_flush(s->client);
    if (r < 0 && r != -EAGAIN)
        s->is_upload_off = true;
    if (s->client->sent > sent || r != -EAGAIN)
        set_deadline(s);
}

/* The upstream's next event, when the relay has room for it. 1, 0 or -errno as above. */
static int move_response(struct keeper_stream *s) {
    struct upstream_event event;
    int r;

    if (s->state != WAIT_RESPONSE || !buf_is_empty(&s->held_back))
        return 0;
    if (client_receive(s->client, &event) != 1)
        return 0;
    if (event.type == UPSTREAM_ABORT)
        r = may_retry(s) ? retry(s) : upstream_failed(s, event.status, s->client->fault);
    else
        r = deliver(s, &event);
    return r < 0 ? r : 1;
}

static void stream_step(struct keeper_stream *s) {
    for (unsigned i = 0; i < STREAM_TURN; i++) {
        int request = 0, response = 0, r = 0;

        if (!buf_is_empty(&s->held_back) && (s->watch.ready & EPOLLOUT))
            r = send_held_back(s);
        if (r == 0 && s->state == WAIT_RESPONSE && !timer_is_set(&s->deadline))
            set_deadline(s);
        move_waiting(s);
        if (r == 0 || r == -EAGAIN)
            request = move_request(s);
        if (request >= 0)
            response = move_response(s);
        if ((r < 0 && r != -EAGAIN) || request < 0 || response < 0) {
            stream_free(s, "the client is gone");
            return;
        }
        if (request == 0 && response == 0)
            return;
    }
    watch_again(&s->watch);
}

static void relay_ready(struct watch *watch) {
    stream_step(container_of(watch, struct keeper_stream, watch));
}

static void upstream_late(struct timer *timer) {
    struct keeper_stream *s = container_of(timer, struct keeper_stream, deadline);
    const char *reason = s->account.status != 0          ? "the upstream stopped in the middle of its response"
                         : buf_is_empty(&s->client->out) ? "the upstream sent no response in time"
                                                         : "the upstream did not take the request in time";

    if (upstream_failed(s, 504, reason) < 0)
        stream_free(s, "the relay is gone");
    else
        stream_step(s);
}

int keeper_stream_open(uint64_t id, int fd, const struct held_credential *held, struct origin *origin,
                       const struct timeouts *timeouts) {
    struct keeper_stream *s = calloc(1, sizeof(*s));
    struct ipc_writer w;
    int r;

    if (!s) {
        fd_close(&fd);
        return -ENOMEM;
    }
    *s = (struct keeper_stream){.id = id, .fd = fd, .held = held, .origin = origin, .timeouts = timeouts};
    s->deadline.on_expiry = upstream_late;
    buf_init_secret(&s->request, 2 * LIMIT_DATAGRAM);
    buf_init(&s->held_back, LIMIT_DATAGRAM);
    account_init(&s->account);
    w = ipc_begin(IPC_ACCEPTED);
    r = watch_add(&s->watch, fd, relay_ready);
    if (r == 0)
        r = ipc_send(fd, &w, -EBADF);
    if (r < 0)
        stream_free(s, ""); /* the pair closes, and the relay refuses the dial */
    return 0;
}
