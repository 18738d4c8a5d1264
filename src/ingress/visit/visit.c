#include "ingress/visit/visit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "ingress/visit/addition.h"
#include "ingress/visit/navigation.h"
#include "ingress/visit/onward.h"
#include "ingress/visit/passage.h"
#include "ingress/visit/pool.h"
#include "ingress/visit/probe.h"
#include "ingress/visit/visit_way.h"

/* Each yields the next event of the answer: 1, or -EAGAIN. A state without one has none yet, or none any more. */
static int (*const receivers[VISIT_STATES])(struct visit *v, struct upstream_event *ret) = {
    [WAIT_RESPONSE] = response_receive,
    [WAIT_TAKEN] = reply_receive_next,
};

static struct visit *visit_of(struct upstream *upstream) {
    return container_of(upstream, struct visit, upstream);
}

void visit_set_state(struct visit *v, enum visit_state state) {
    v->state = state;
}

static void wake(struct visit *v) {
    v->upstream.wake(v->upstream.owner);
}

/* One request is forgotten whole; what belongs to the connection stays. */
static void reset(struct visit *v) {
    *v = (struct visit){.upstream = v->upstream,
                        .peer = v->peer,
                        .peer_text = v->peer_text,
                        .exchange = v->exchange,
                        .deadline = v->deadline,
                        .active_ms = loop_now_ms()};
}

static void drop_client(struct visit *v) {
    if (v->client && v->place)
        pool_give_back(v->place, v->client);
    v->client = NULL;
    timer_pause(&v->deadline);
}

void visit_settle(struct visit *v, const char *event) {
    visit_account(v, event);
    way_stop(v);
    drop_client(v);
    buf_release(&v->again);
    reply_free(v->reply);
    addition_free(v->addition);
    way_release(v);
    visit_line_free(v->line);
    reset(v);
}

void visit_answer(struct visit *v, struct reply *reply) {
    if (v->client)
        v->client->must_close = true; /* in the middle of something: never for another */
    way_stop(v);
    drop_client(v);
    buf_release(&v->again);
    reply_free(v->reply);
    v->reply = reply;
    v->reason = reply ? reply->reason : "out of memory";
    visit_set_state(v, WAIT_TAKEN);
}

void visit_refuse(struct visit *v, unsigned status, const char *reason, unsigned again_s) {
    visit_answer(v, reply_page(status, reason, v->form, again_s));
}

/* S 9.2.2 */
static bool is_idempotent(struct slice method) {
    static const struct slice methods[] = {{"GET", 3}, {"HEAD", 4}, {"PUT", 3}, {"DELETE", 6}, {"OPTIONS", 7}};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_equals(method, methods[i]))
            return true;
    return false;
}

/* What is waited for comes later than this call, and the request does not live so long. */
static void hold(struct visit *v) {
    v->held = held_request_new(v->request, v->data, v->is_whole);
    if (!v->held) {
        visit_answer(v, NULL);
        return;
    }
    v->request = &v->held->head;
    v->data = v->held->data;
}

static int visit_begin(struct upstream *upstream, const struct request_head *request, struct slice data, bool is_end) {
    struct visit *v = visit_of(upstream);

    v->line = visit_line_new(v, request);
    if (!v->line)
        return -ENOMEM;
    v->began_us = world_now_us();
    v->request = request;
    v->data = data;
    v->bytes_in = data.n;
    v->is_whole = v->is_ended = is_end;
    v->is_upgrade = request->is_upgrade;
    v->is_head = slice_equals(request->method, SLICE("HEAD"));
    v->is_idempotent = is_idempotent(request->method);
    v->framing = request->body;
    v->form = page_form_for(request->fields, request->n_fields);
    way_begin(v);
    if (v->request && !v->held)
        hold(v);
    return 0;
}

/* The instance takes nothing any more. It may have answered before it closed: that is read next. */
static void take_no_more(struct visit *v) {
    v->is_upload_off = true;
    v->client->must_close = true;
}

static void client_ready(struct watch *watch) {
    struct client *client = container_of(watch, struct client, stream.watch);
    struct visit *v = client->owner;

    if (!buf_is_empty(&client->out)) {
        uint64_t sent = client->sent;
        int r = client_flush(client);

        if (r < 0 && r != -EAGAIN)
            take_no_more(v);
        if (client->sent > sent || r != -EAGAIN)
            visit_set_deadline(v);
    }
    wake(v);
}

/* Head and first of the body, in this process's one buffer for it: most leave it at once and whole. */
static int serialise(struct visit *v, struct buf *to) {
    const struct recipe *recipe = &v->kind->recipe;
    struct onward how = {
        .front = &world.front,
        .peer = v->peer,
        .identity_header = recipe->identity_header,
        .name = v->visitor->name,
        .drops_encodings = recipe->app_head && (v->is_navigation || navigation_is_document(v->request)),
    };
    struct slice key = v->is_upgrade ? websocket_key(v->request->fields, v->request->n_fields) : SLICE_EMPTY;

    memcpy(v->key, key.p, MIN_OF(key.n, sizeof(v->key)));
    return onward_write(&how, v->request, v->data, v->is_whole, to);
}

static void start_exchange(struct visit *v, struct slice bytes) {
    int r = client_begin(v->client, bytes, v->is_head, v->framing, v->is_whole);

    if (r == -ENOMEM || r == -ENOBUFS) {
        visit_refuse(v, 503, PAGE_BUSY, 1);
        return;
    }
    if (v->is_upgrade)
        client_expect_switch(v->client, slice_of(v->key, sizeof(v->key)));
    if (r < 0)
        take_no_more(v);
    v->sent_us = v->is_ended ? world_now_us() : 0;
    visit_set_deadline(v);
}

void visit_begin_on(struct visit *v, struct client *client, bool is_warm) {
    static struct buf scratch = {.cap = 2 * LIMIT_DATAGRAM};
    struct slice bytes = buf_slice(&v->again);
    int r = 0;

    (*(is_warm ? &world_count()->upstream_reused : &world_count()->upstream_opened))++;
    v->client = client;
    v->is_warm = is_warm;
    client_attach(client, v, client_ready);
    visit_set_state(v, WAIT_RESPONSE);
    if (bytes.n == 0) {
        r = serialise(v, &scratch);
        bytes = buf_slice(&scratch);
        buf_init(&v->again, 2 * LIMIT_DATAGRAM);
        if (r == 0 && is_warm && v->is_whole)
            r = buf_append(&v->again, bytes);
    }
    if (r == 0)
        start_exchange(v, bytes);
    else
        visit_refuse(v, r == -ENOMEM ? 503 : 400, r == -ENOMEM ? PAGE_BUSY : PAGE_BAD_REQUEST, 0);
    buf_consume(&scratch, buf_length(&scratch));
    if (v->state == WAIT_RESPONSE) {
        held_request_free(v->held);
        v->held = NULL;
        v->request = NULL;
    }
}

static int visit_send(struct upstream *upstream, struct slice data, bool is_end) {
    struct visit *v = visit_of(upstream);
    int r;

    if (v->request || v->state == WAIT_INSTANCE || v->state == WAIT_START)
        return -EAGAIN; /* it waits in the connection until there is somewhere to go */
    if (v->state == WAIT_RESPONSE && !v->is_upload_off) {
        r = client_send(v->client, data, is_end);
        if (r == -EAGAIN)
            return r;
        if (r < 0)
            take_no_more(v);
    }
    v->bytes_in += data.n;
    v->is_ended = is_end;
    if (v->state == WAIT_RESPONSE) {
        v->sent_us = is_end ? world_now_us() : 0;
        visit_set_deadline(v);
    }
    return 0;
}

static int visit_receive(struct upstream *upstream, struct upstream_event *ret) {
    struct visit *v = visit_of(upstream);

    return receivers[v->state] ? receivers[v->state](v, ret) : -EAGAIN;
}

/* The connection gives up: the client is gone, or broke its request, or has its answer before it was through. */
static void visit_abandon(struct upstream *upstream, unsigned status, const char *reason) {
    struct visit *v = visit_of(upstream);

    if (visit_is_idle(v))
        return;
    if (v->client)
        v->client->must_close = true;
    if (v->state != WAIT_END || !v->reason)
        v->reason = v->state == WAIT_END ? "" : reason;
    if (world.is_draining)
        v->exchange->must_close = true;
    if (status == 0) /* else the client is told so next: visit_explain */
        visit_settle(v, "request");
}

static void visit_finish(struct upstream *upstream) {
    struct visit *v = visit_of(upstream);

    if (world.is_draining)
        v->exchange->must_close = true;
    visit_settle(v, "request");
}

static void late(struct timer *timer) {
    struct visit *v = container_of(timer, struct visit, deadline);

    if (v->state != WAIT_RESPONSE)
        way_late(v);
    else if (v->status == 0)
        visit_refuse(v, 504, PAGE_SLOW, 0);
    else
        v->cut = "the instance stopped in the middle of its response";
    wake(v);
}

static void probe_over(void) {
    if (world.gone)
        world.gone();
}

void visit_switch(struct visit *v, struct connection *c) {
    struct slice early = buf_slice(&c->in);
    struct passage_way way = {.visitor = v->visitor, .place = v->place, .peer = v->peer_text};
    struct visit_line *line = v->line;
    struct client *client = v->client;

    if (v->is_probe) {
        (void)probe_start(&c->client, early, probe_over);
        visit_settle(v, "request");
        return;
    }
    way.host = line->host;
    way.path = line->path;
    way.client = line->client;
    visit_account(v, "tunnel_open");
    (void)passage_open(&way, &c->client, early, &client->stream, client_early(client));
    pool_drop(client);
    v->client = NULL;
    way_release(v);
    visit_line_free(v->line);
    addition_free(v->addition);
    buf_release(&v->again);
    reset(v);
}

static enum visit_ending end_with(struct visit *v, unsigned status, const char *reason) {
    if (visit_is_idle(v))
        return VISIT_GOES_ON;
    v->exchange->must_close = true;
    if (v->status != 0 || v->state == WAIT_END) {
        v->reason = reason;
        return VISIT_CUT;
    }
    visit_refuse(v, status, reason, 0);
    return VISIT_ANSWERED;
}

enum visit_ending visit_table(struct visit *v) {
    struct instance instance;

    if (!v->place || v->state == WAIT_TAKEN || v->state == WAIT_END)
        return VISIT_GOES_ON;
    if (table_find(world.table, visitor_name(v->visitor), v->line->host, v->line->path, &instance) &&
        slice_equals(instance.key, v->place->key))
        return VISIT_GOES_ON;
    return end_with(v, 403, PAGE_NOBODY);
}

enum visit_ending visit_stop(struct visit *v) {
    return end_with(v, 503, PAGE_BUSY);
}

void visit_init(struct visit *v, const struct peer *peer, struct slice peer_text, struct exchange *exchange) {
    static const struct upstream_ops ops = {.begin = visit_begin,
                                            .send = visit_send,
                                            .receive = visit_receive,
                                            .abandon = visit_abandon,
                                            .finish = visit_finish};

    *v = (struct visit){.upstream.ops = &ops,
                        .peer = peer,
                        .peer_text = peer_text,
                        .exchange = exchange,
                        .deadline = {.on_expiry = late},
                        .active_ms = loop_now_ms()};
}

void visit_done(struct visit *v) {
    if (!visit_is_idle(v)) {
        if (v->client)
            v->client->must_close = true;
        visit_settle(v, "request");
    }
    timer_cancel(&v->deadline);
}
