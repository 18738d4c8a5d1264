/*
 * An exchange that has become a WebSocket. What comes from the relay goes up as it is: the keeper parses nothing that a
 * workload wrote. What comes from the upstream is cut into frames, and goes down masked.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "egress/keeper/keeper_state.h"
#include "egress/mask/frame_mask.h"

struct keeper_socket {
    struct frame_mask frames; /* from the upstream */
    struct buf out;           /* for the relay: masked, and not told yet */
    bool has_ended;           /* nothing more comes from the upstream */
};

/* What one read can become: with what was held back before it, and with heads that waited. */
#define OUT_MAX (4 * LIMIT_READ + 4 * LIMIT_SECRET * SPELLING_MAX)

static char scratch[LIMIT_READ];

/* The upstream agreed to what nobody asked for: frames that cannot be read could not be masked. */
static bool has_extension(const struct client *client) {
    return http_fields_find(&client->response->fields, HTTP_NAME_SEC_WEBSOCKET_EXTENSIONS, 0, NULL) != NULL;
}

int keeper_socket_check(struct client *client) {
    if (!has_extension(client))
        return 0;
    client->fault = "the upstream wants an extension that was not asked for";
    return -EPROTO;
}

/* What has come behind the 101 already. */
static int take_early(struct keeper_stream *s) {
    struct client *client = s->client;
    struct slice early = client_early(client);
    int r = 0;

    if (early.n > 0)
        r = frame_mask_pass(&s->socket->frames, client->in.memory + (early.p - client->in.memory), early.n,
                            &s->socket->out);
    if (r == -EPROTO)
        client->fault = s->socket->frames.fault;
    buf_release(&client->in);
    client->delivered = 0;
    return r == -ENOBUFS ? -ENOMEM : r;
}

int keeper_socket_begin(struct keeper_stream *s) {
    int r;

    s->socket = calloc(1, sizeof(*s->socket));
    if (!s->socket)
        return -ENOMEM;
    frame_mask_begin(&s->socket->frames, s->secret->mask);
    buf_init_secret(&s->socket->out, OUT_MAX);
    buf_release(&s->request);
    r = take_early(s);
    if (r < 0)
        return r;
    s->is_ended = false; /* from here on the relay's last byte is the socket's */
    keeper_set_state(s, WAIT_SOCKET);
    keeper_set_deadline(s);
    return 0;
}

void keeper_socket_done(struct keeper_stream *s) {
    if (!s->socket)
        return;
    frame_mask_done(&s->socket->frames);
    buf_release(&s->socket->out);
    free(s->socket);
    s->socket = NULL;
}

bool keeper_socket_has_closed(const struct keeper_stream *s) {
    return s->socket && s->socket->frames.cutter.has_closed;
}

uint64_t keeper_socket_masked(const struct keeper_stream *s) {
    return s->socket ? frame_mask_found(&s->socket->frames) : 0;
}

void keeper_socket_send(struct keeper_stream *s, struct slice data, bool is_end) {
    s->account.bytes_in += data.n;
    lease_spend(keeper_lease(s), data.n);
    s->is_ended = is_end;
    if (!s->is_upload_off && client_send(s->client, data, false) < 0)
        s->is_upload_off = true; /* it has closed: that is read next */
    if (buf_is_empty(&s->client->out))
        keeper_socket_flushed(s);
    keeper_set_deadline(s);
}

void keeper_socket_flushed(struct keeper_stream *s) {
    if (s->is_ended && !s->is_upload_off)
        stream_shut_write(&s->client->stream);
}

/* The upstream owes us to take something, or either side is done and all was told: then it may not last for ever. */
uint64_t keeper_socket_patience(const struct keeper_stream *s) {
    bool is_told = buf_is_empty(&s->socket->out) && relay_link_is_clear(&s->link);

    if (!buf_is_empty(&s->client->out))
        return s->timeouts->write;
    return is_told && (s->is_ended || keeper_socket_has_closed(s)) ? TIMEOUT_HALF_CLOSED : 0;
}

static int end_with(struct keeper_stream *s, struct slice last, const char *reason) {
    struct upstream_event event = {.type = UPSTREAM_DATA, .data = last, .is_end = true};

    s->account.bytes_out += last.n;
    keeper_account_for(s, reason);
    keeper_end_exchange(s, reason);
    return relay_link_tell(&s->link, &event);
}

/* One message of what is ready for the relay. */
static int tell(struct keeper_stream *s) {
    struct upstream_event event = {.type = UPSTREAM_DATA, .data = slice_first(buf_slice(&s->socket->out), LIMIT_READ)};
    int r;

    s->account.bytes_out += event.data.n;
    lease_spend(keeper_lease(s), event.data.n);
    r = relay_link_tell(&s->link, &event);
    buf_consume(&s->socket->out, event.data.n);
    if (buf_is_empty(&s->socket->out))
        buf_release(&s->socket->out);
    return r < 0 ? r : 1;
}

static int fail_upstream(struct keeper_stream *s, const char *reason) {
    return keeper_fail(s, (struct verdict){.refusal = REFUSAL_UPSTREAM, .status = 502, .reason = reason});
}

/* What the upstream says next becomes ready for the relay. */
static int take(struct keeper_stream *s) {
    struct stream *stream = &s->client->stream;
    bool is_ready = stream_is_ready(stream, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    ssize_t n = is_ready ? stream_read(stream, scratch, sizeof(scratch)) : -EAGAIN;
    int r;

    if (n == -EAGAIN)
        return 0;
    if (n < 0 && !keeper_socket_has_closed(s))
        return fail_upstream(s, "the upstream broke the connection off") < 0 ? -EPIPE : 1;
    s->socket->has_ended = n <= 0;
    r = frame_mask_pass(&s->socket->frames, scratch, n > 0 ? (size_t)n : 0, &s->socket->out);
    if (r == -EPROTO)
        r = fail_upstream(s, s->socket->frames.fault);
    else if (r < 0)
        r = keeper_fail(s, (struct verdict){.refusal = REFUSAL_NO_MEMORY});
    else
        keeper_set_deadline(s);
    return r < 0 ? r : 1;
}

int keeper_socket_move(struct keeper_stream *s) {
    int r;

    if (!buf_is_empty(&s->socket->out))
        return tell(s);
    if (!s->socket->has_ended)
        return take(s);
    r = end_with(s, SLICE_EMPTY, "");
    return r < 0 ? r : 1;
}

int keeper_socket_late(struct keeper_stream *s) {
    if (buf_is_empty(&s->client->out))
        return relay_link_is_clear(&s->link) ? end_with(s, SLICE_EMPTY, "") : -EPIPE;
    return keeper_fail(s, (struct verdict){.refusal = REFUSAL_UPSTREAM_TIMEOUT,
                                           .status = 504,
                                           .reason = "the upstream did not take what was sent in time"});
}

/* RFC 6455 §7.4.1: going away, or against a policy. */
int keeper_socket_cut(struct keeper_stream *s, enum refusal why) {
    char frame[WEBSOCKET_CLOSE_MAX];
    size_t n = websocket_close_frame(why == REFUSAL_TTL ? 1001 : 1008, false, frame);

    if (!relay_link_is_clear(&s->link) || !buf_is_empty(&s->socket->out) ||
        !frame_mask_is_at_border(&s->socket->frames))
        return keeper_fail(s, (struct verdict){.refusal = why});
    s->account.refusal = why;
    s->client->must_close = true;
    return end_with(s, slice_of(frame, n), refusal_text(why)->reason);
}
