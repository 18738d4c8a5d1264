#include "egress/keeper/keeper_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"
#include "egress/keeper/keeper_state.h"
#include "proc/role.h"
#include "relay/problem.h"

#define STREAM_TURN 32

void keeper_set_state(struct keeper_stream *s, enum stream_state state) {
    static const char *const names[] = {"WAIT_REQUEST", "WAIT_UPSTREAM", "WAIT_RESPONSE", "WAIT_SOCKET", "WAIT_END"};

    log_debug("stream %llu: %s -> %s", (unsigned long long)s->id, names[s->state], names[state]);
    s->state = state;
}

static void drop_upstream(struct keeper_stream *s) {
    origin_cancel(s->attempt);
    s->attempt = NULL;
    if (s->client)
        origin_give_back(keeper_lease(s)->origin, s->client);
    s->client = NULL;
    timer_cancel(&s->deadline);
    buf_release(&s->request);
}

void keeper_account_for(struct keeper_stream *s, const char *reason) {
    s->account.masked = filter_masked(&s->filter) + keeper_socket_masked(s);
    account_close(&s->account, s->id, reason);
}

/* The exchange is over: what it held goes back. */
static void settle(struct keeper_stream *s, const char *reason) {
    keeper_account_for(s, reason);
    filter_done(&s->filter);
    keeper_socket_done(s);
    canary_stream_done(&s->canary);
    drop_upstream(s);
    if (!s->secret)
        return;
    held_unuse(keeper_lease(s)->held, s->secret);
    s->secret = NULL;
    lease_release(keeper_lease(s));
}

bool keeper_is_in_exchange(const struct keeper_stream *s) {
    return s->state == WAIT_UPSTREAM || s->state == WAIT_RESPONSE || s->state == WAIT_SOCKET;
}

void keeper_stream_ended(uint64_t id) {
    struct ipc_writer w = ipc_begin(IPC_STREAM_ENDED);

    ipc_put_u64(&w, id);
    role_send(&w, -EBADF);
}

static void stream_free(struct keeper_stream *s, const char *reason) {
    if (s->client)
        s->client->must_close = true; /* in the middle of something: never for another */
    if (keeper_is_in_exchange(s))
        settle(s, keeper_socket_has_closed(s) ? "" : reason);
    relay_link_done(&s->link);
    account_done(&s->account);
    keeper_stream_ended(s->id);
    lease_leave(&s->membership);
    free(s);
}

void keeper_end_exchange(struct keeper_stream *s, const char *reason) {
    if (s->client && !s->is_ended)
        s->client->must_close = true;
    settle(s, reason);
    keeper_set_state(s, s->is_ended ? WAIT_REQUEST : WAIT_END);
}

static unsigned status_of(struct verdict verdict) {
    return verdict.status ? verdict.status : refusal_text(verdict.refusal)->status;
}

static const char *reason_of(struct verdict verdict) {
    return verdict.reason ? verdict.reason : refusal_text(verdict.refusal)->reason;
}

/* What was refused for want of a rule is told that very rule, where it can be written. */
static struct slice hint_of(const struct keeper_stream *s, struct verdict verdict, char text[static LIMIT_REASON]) {
    struct slice hint = refusal_text(verdict.refusal)->hint;

    if (verdict.hint)
        return slice_of_string(verdict.hint);
    return verdict.refusal == REFUSAL_NO_RULE ? account_mend(&s->account, hint, text) : hint;
}

/* An answer of the keeper's own. */
static int refuse(struct keeper_stream *s, struct verdict verdict) {
    char body[PROBLEM_MAX], seconds[NUM_DIGITS], rule[RULE_TEXT_MAX], hint[LIMIT_REASON];
    struct problem problem = {
        .status = status_of(verdict),
        .lease = keeper_credential(s)->name,
        .rule = account_rule(&s->account, rule),
        .reason = slice_of_string(reason_of(verdict)),
        .hint = hint_of(s, verdict, hint),
    };
    struct slice text = slice_of(body, problem_body(body, &problem));
    struct http_framing framing = {HTTP_BODY_LENGTH, text.n};
    struct http_field fields[] = {{SLICE("Content-Type"), SLICE("application/json")},
                                  {SLICE("Retry-After"), num_format(verdict.retry_after_s, seconds)}};
    struct upstream_event event = {
        .type = UPSTREAM_RESPONSE,
        .response = {.status = problem.status, .fields = fields, .body = framing, .declared = framing},
        .data = text,
        .is_end = true,
    };

    event.response.n_fields = verdict.retry_after_s > 0 ? 2 : 1;
    s->account.status = problem.status;
    s->account.bytes_out = text.n;
    keeper_end_exchange(s, reason_of(verdict));
    return relay_link_interrupt(&s->link, &event);
}

int keeper_fail(struct keeper_stream *s, struct verdict verdict) {
    struct upstream_event event = {
        .type = UPSTREAM_ABORT, .status = status_of(verdict), .reason = slice_of_string(reason_of(verdict))};

    s->account.refusal = verdict.refusal;
    if (s->client)
        s->client->must_close = true;
    if (s->account.status == 0)
        return refuse(s, verdict);
    keeper_end_exchange(s, reason_of(verdict));
    return relay_link_interrupt(&s->link, &event);
}

/* What has come of a response before it broke off belongs to the workload, also what was held back of it. */
static int upstream_failed(struct keeper_stream *s, unsigned status, const char *reason) {
    enum refusal why = status == 504 ? REFUSAL_UPSTREAM_TIMEOUT : status == 503 ? REFUSAL_NO_MEMORY : REFUSAL_UPSTREAM;
    struct verdict verdict = {.refusal = why, .status = status, .reason = reason};

    if (s->account.status == 0 || filter_break_off(&s->filter) < 0)
        return keeper_fail(s, verdict);
    s->cut = verdict;
    return 0;
}

/* The time that the upstream has for what is waited for now. While the workload is slow, it has all the time. */
void keeper_set_deadline(struct keeper_stream *s) {
    uint64_t patience = s->state == WAIT_SOCKET ? keeper_socket_patience(s) : 0;

    if (patience > 0)
        timer_set(&s->deadline, patience);
    else if (!relay_link_is_clear(&s->link) || s->state == WAIT_SOCKET)
        timer_cancel(&s->deadline);
    else if (!buf_is_empty(&s->client->out))
        timer_set(&s->deadline, s->timeouts->write);
    else if (s->account.status != 0)
        timer_set(&s->deadline, s->timeouts->stream);
    else if (s->is_ended || s->is_upload_off)
        timer_set(&s->deadline, keeper_credential(s)->response_timeout_ms);
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
    keeper_set_state(s, WAIT_UPSTREAM);
    s->attempt = origin_connect(keeper_lease(s)->origin, upstream_connected, s);
    return s->attempt ? 0 : upstream_failed(s, 503, "out of memory");
}

/* The request is serialised and a connection is there. */
static int begin_on(struct keeper_stream *s, struct client *client) {
    bool is_head = slice_equals(account_method(&s->account), SLICE("HEAD"));
    int r;

    s->client = client;
    client_attach(client, s, client_ready);
    keeper_set_state(s, WAIT_RESPONSE);
    r = client_begin(client, buf_slice(&s->request), is_head, s->body, s->is_whole);
    if (r == -ENOMEM || r == -ENOBUFS)
        return upstream_failed(s, 503, "out of memory");
    if (s->is_upgrade)
        client_expect_switch(client, slice_of(s->socket_key, sizeof(s->socket_key)));
    if (r < 0)
        s->is_upload_off = true; /* it may have answered before it closed: that is read next */
    if (!s->is_whole)
        buf_release(&s->request);
    keeper_set_deadline(s);
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
    return s->account.connection == CONNECTION_REUSED && s->is_whole && !s->client->is_answered &&
           (s->client->sent == 0 || is_idempotent(s));
}

static int retry(struct keeper_stream *s) {
    s->client->must_close = true;
    origin_give_back(keeper_lease(s)->origin, s->client);
    s->client = NULL;
    s->account.connection = CONNECTION_NONE;
    s->is_upload_off = false;
    timer_cancel(&s->deadline);
    return connect_upstream(s);
}

int keeper_go_upstream(struct keeper_stream *s) {
    struct client *warm = origin_take(keeper_lease(s)->origin);

    if (!warm)
        return connect_upstream(s);
    s->account.connection = CONNECTION_REUSED;
    return begin_on(s, warm);
}

static void upstream_connected(void *owner, struct client *client, unsigned status, const char *reason) {
    struct keeper_stream *s = owner;
    int r;

    s->attempt = NULL;
    if (client)
        s->account.connection = tls_is_resumed(&client->stream) ? CONNECTION_RESUMED : CONNECTION_NEW;
    r = client ? begin_on(s, client) : upstream_failed(s, status, reason);
    if (r < 0)
        stream_free(s, "the relay is gone");
    else
        stream_step(s);
}

static int take_message(struct keeper_stream *s, struct ipc_message *m) {
    if (m->type == IPC_REQUEST && s->state == WAIT_REQUEST)
        return keeper_request_begin(s, m);
    if (m->type == IPC_DATA && s->state != WAIT_REQUEST)
        return keeper_request_more(s, m);
    if (m->type == IPC_ABORT)
        return keeper_request_abandoned(s, m);
    log_error("stream %llu: a message %s that is not permitted here", (unsigned long long)s->id,
              ipc_type_name(m->type));
    fd_close(&m->fd);
    return -EPROTO;
}

/*
 * What the upstream has not taken yet waits, and the relay with it; so does a request for its connection. Of a relay
 * that is gone the last words are heard in any state.
 */
static bool may_receive(const struct keeper_stream *s) {
    if (relay_link_is_closing(&s->link))
        return true;
    if (keeper_is_in_exchange(s) && keeper_lease(s)->ended != REFUSAL_NONE)
        return false; /* it is about to be cut */
    return s->state != WAIT_UPSTREAM && (!s->client || buf_is_empty(&s->client->out) || WEAKENED(MEMORY));
}

/* The relay's next message, if it can be used now: 1 when one was, 0 when not, -errno for the end. */
static int move_request(struct keeper_stream *s) {
    struct ipc_message m;
    int r = may_receive(s) ? relay_link_receive(&s->link, &m) : 0;

    if (r != 1)
        return r;
    r = take_message(s, &m);
    return r < 0 ? r : 1;
}

static int begin_socket(struct keeper_stream *s) {
    int r = keeper_socket_begin(s);

    if (r == -EPROTO)
        return keeper_fail(s, (struct verdict){.refusal = REFUSAL_UPSTREAM, .status = 502, .reason = s->client->fault});
    return r < 0 ? keeper_fail(s, (struct verdict){.refusal = REFUSAL_NO_MEMORY}) : 0;
}

static int deliver(struct keeper_stream *s, const struct upstream_event *event) {
    int r;

    if (event->type == UPSTREAM_RESPONSE || event->type == UPSTREAM_SWITCH)
        s->account.status = event->response.status;
    s->account.bytes_out += event->data.n;
    lease_spend(keeper_lease(s), event->data.n);
    if (event->is_end) /* before the word itself: should this process die in between, nothing was answered unseen */
        keeper_account_for(s, "");
    r = relay_link_tell(&s->link, event);
    if (r == 0 && event->is_end)
        keeper_end_exchange(s, "");
    else if (r == 0 && event->type == UPSTREAM_SWITCH)
        r = begin_socket(s);
    else if (r == 0)
        keeper_set_deadline(s);
    return r;
}

/* What waits for the upstream. Before the relay's next message: that one is only taken when nothing waits. */
static void move_waiting(struct keeper_stream *s) {
    uint64_t sent;
    int r;

    if (!s->client || buf_is_empty(&s->client->out))
        return;
    sent = s->client->sent;
    r = client_flush(s->client);
    if (r < 0 && r != -EAGAIN)
        s->is_upload_off = true;
    if (s->state == WAIT_SOCKET && r != -EAGAIN)
        keeper_socket_flushed(s);
    if (s->client->sent > sent || r != -EAGAIN)
        keeper_set_deadline(s);
}

/* The upstream's next event goes through the filter, when the relay has room for it. 1, 0 or -errno as above. */
static int move_response(struct keeper_stream *s) {
    struct upstream_event event;
    int r;

    if (!relay_link_is_clear(&s->link) || keeper_lease(s)->ended != REFUSAL_NONE)
        return 0;
    if (s->state == WAIT_SOCKET)
        return keeper_socket_move(s);
    if (s->state != WAIT_RESPONSE)
        return 0;
    if (filter_pull(&s->filter, &event)) {
        r = deliver(s, &event);
    } else if (s->cut.refusal != REFUSAL_NONE) {
        r = keeper_fail(s, s->cut);
    } else {
        if (client_receive(s->client, &event) != 1)
            return 0;
        if (event.type == UPSTREAM_ABORT)
            r = may_retry(s) ? retry(s) : upstream_failed(s, event.status, s->client->fault);
        else if (event.type == UPSTREAM_SWITCH && keeper_socket_check(s->client) < 0)
            r = upstream_failed(s, 502, s->client->fault);
        else if (filter_push(&s->filter, s->client, &event) < 0)
            r = keeper_fail(s, (struct verdict){.refusal = REFUSAL_NO_MEMORY});
        else
            r = 0;
    }
    return r < 0 ? r : 1;
}

static void stream_step(struct keeper_stream *s) {
    for (unsigned i = 0; i < STREAM_TURN; i++) {
        int request = 0, response = 0, r = relay_link_flush(&s->link);

        if (r == 0 && (s->state == WAIT_RESPONSE || s->state == WAIT_SOCKET) && !timer_is_set(&s->deadline))
            keeper_set_deadline(s);
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
    watch_again(&s->link.watch);
}

static void relay_ready(struct watch *watch) {
    stream_step(container_of(watch, struct keeper_stream, link.watch));
}

static void upstream_late(struct timer *timer) {
    struct keeper_stream *s = container_of(timer, struct keeper_stream, deadline);
    const char *reason = s->account.status != 0          ? "the upstream stopped in the middle of its response"
                         : buf_is_empty(&s->client->out) ? "the upstream sent no response in time"
                                                         : "the upstream did not take the request in time";

    if ((s->state == WAIT_SOCKET ? keeper_socket_late(s) : upstream_failed(s, 504, reason)) < 0)
        stream_free(s, "the relay is gone");
    else
        stream_step(s);
}

/* Its lease has ended. */
static void cut(struct lease_member *membership, enum refusal why) {
    struct keeper_stream *s = container_of(membership, struct keeper_stream, membership);

    if (keeper_lease(s)->is_dropped) {
        stream_free(s, refusal_text(why)->reason);
        return;
    }
    if (!keeper_is_in_exchange(s))
        return;
    if ((s->state == WAIT_SOCKET ? keeper_socket_cut(s, why) : keeper_fail(s, (struct verdict){.refusal = why})) < 0)
        stream_free(s, "the relay is gone");
    else
        stream_step(s);
}

int keeper_stream_open(uint64_t id, int fd, struct lease *lease, bool may_use, const struct timeouts *timeouts) {
    struct keeper_stream *s = calloc(1, sizeof(*s));

    if (!s) {
        fd_close(&fd);
        return -ENOMEM;
    }
    *s = (struct keeper_stream){.id = id, .may_use = may_use, .timeouts = timeouts, .membership = {.cut = cut}};
    lease_join(lease, &s->membership);
    s->deadline.on_expiry = upstream_late;
    buf_init_secret(&s->request, 2 * LIMIT_DATAGRAM);
    account_init(&s->account);
    if (relay_link_init(&s->link, fd, relay_ready) < 0)
        stream_free(s, ""); /* the pair closes, and the relay refuses the dial */
    return 0;
}
