#include "ingress/visit/visit_way.h"

#include <errno.h>

#include "ingress/visit/addition.h"
#include "ingress/visit/pool.h"

/* The time that the instance has for what is waited for now. */
void visit_set_deadline(struct visit *v) {
    if (!buf_is_empty(&v->client->out))
        timer_set(&v->deadline, world.front.write_ms);
    else if (v->has_response)
        timer_set(&v->deadline, world.front.stream_ms);
    else if (v->is_ended || v->is_upload_off)
        timer_set(&v->deadline, world.front.response_ms);
    else
        timer_pause(&v->deadline);
}

/* A head is about to go out to the client. */
static void before_head(struct visit *v, unsigned status) {
    v->status = status;
    if (world.is_draining)
        v->exchange->must_close = true;
}

int reply_receive_next(struct visit *v, struct upstream_event *ret) {
    if (!v->reply) {
        *ret = (struct upstream_event){.type = UPSTREAM_ABORT, .status = 503, .reason = SLICE("out of memory")};
        v->status = 503;
        visit_set_state(v, WAIT_END);
        return 1;
    }
    reply_receive(v->reply, ret);
    if (ret->type == UPSTREAM_RESPONSE)
        before_head(v, v->reply->status);
    if (v->is_probe)
        ret->type = UPSTREAM_SWITCH;
    if (!v->is_head)
        v->bytes_out += ret->data.n;
    if (ret->is_end)
        visit_set_state(v, WAIT_END);
    return 1;
}

/* A warm connection that the instance had closed already: nothing came back, and sending again does no harm. */
static bool may_retry(const struct visit *v) {
    return v->is_warm && !buf_is_empty(&v->again) && !v->client->is_answered &&
           (v->client->sent == 0 || v->is_idempotent);
}

static void retry(struct visit *v) {
    pool_drop(v->client);
    v->client = NULL;
    v->is_upload_off = false;
    timer_pause(&v->deadline);
    way_connect(v);
}

/* The instance broke off. What has not begun is answered; the rest is cut, and visibly so. */
static int fail(struct visit *v, struct upstream_event *ret) {
    bool is_answered = v->client->is_answered;
    const char *fault = v->client->fault;

    v->client->must_close = true;
    if (v->status != 0) {
        v->reason = fault ? fault : "the instance broke off";
        visit_set_state(v, WAIT_END);
        return 1;
    }
    visit_refuse(v, 502, is_answered ? PAGE_GARBAGE : PAGE_DOWN, 0);
    if (is_answered && fault)
        v->reason = fault; /* the log tells which rule */
    return reply_receive_next(v, ret);
}

/* What goes to the client counts, and its end is the exchange's. */
static int deliver(struct visit *v, const struct upstream_event *event) {
    if (event->type == UPSTREAM_RESPONSE)
        before_head(v, event->response.status);
    if (!v->is_head)
        v->bytes_out += event->data.n;
    if (event->is_end) {
        timer_pause(&v->deadline);
        visit_set_state(v, WAIT_END);
    }
    return 1;
}

static void begin_response(struct visit *v, struct upstream_event *event) {
    const char *head = v->kind->recipe.app_head;

    v->has_response = true;
    buf_release(&v->again);
    if (v->sent_us > 0) {
        uint64_t now_us = world_now_us();

        v->upstream_us = now_us - v->sent_us;
        v->ended_us = event->is_end ? now_us : 0;
    }
    if (!event->is_end)
        visit_set_deadline(v);
    if (head && v->is_idempotent)
        v->addition = addition_new(head, v->is_head, &event->response, v->client->response->fields.at);
}

int response_receive(struct visit *v, struct upstream_event *ret) {
    while (!v->addition || !addition_pull(v->addition, ret)) {
        if (v->cut) {
            *ret = (struct upstream_event){.type = UPSTREAM_ABORT};
            v->client->must_close = true;
            v->reason = v->cut;
            visit_set_state(v, WAIT_END);
            return 1;
        }
        if (client_receive(v->client, ret) != 1)
            return -EAGAIN;
        if (ret->type == UPSTREAM_INTERIM)
            return 1;
        if (ret->type == UPSTREAM_ABORT && may_retry(v)) {
            retry(v);
            return -EAGAIN;
        }
        if (ret->type == UPSTREAM_ABORT)
            return fail(v, ret);
        if (ret->type == UPSTREAM_SWITCH) {
            before_head(v, 101);
            timer_pause(&v->deadline);
            return 1;
        }
        if (ret->type == UPSTREAM_RESPONSE)
            begin_response(v, ret);
        else
            visit_set_deadline(v);
        if (!v->addition)
            return deliver(v, ret);
        addition_push(v->addition, ret->data, ret->is_end);
    }
    return deliver(v, ret);
}
