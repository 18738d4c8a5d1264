#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "egress/exchange_codec.h"
#include "egress/keeper/inject.h"
#include "egress/keeper/keeper_state.h"
#include "proc/role.h"

/* A new exchange: nothing of the last one counts. In its account a placeholder that strays is not to be read. */
static int remember(struct keeper_stream *s, const struct request_head *request, struct slice data, bool is_end) {
    struct canary *canary = keeper_lease(s)->canary;
    struct slice key = request->is_upgrade ? websocket_key(request->fields, request->n_fields) : SLICE_EMPTY;
    int r = account_open(&s->account, request);

    if (r == 0 && canary)
        canary_hide(canary, s->account.path.memory + s->account.path.start, buf_length(&s->account.path));
    if (r == 0 && request->body.kind != HTTP_BODY_NONE)
        r = canary_stream_begin(&s->canary, canary);
    s->is_upgrade = request->is_upgrade;
    memcpy(s->socket_key, key.p ? key.p : "", MIN_OF(key.n, sizeof(s->socket_key)));
    s->account.bytes_in = data.n;
    s->body = request->body;
    s->is_whole = s->is_ended = is_end;
    s->is_upload_off = false;
    s->cut = (struct verdict){.refusal = REFUSAL_NONE};
    return r;
}

/* Head and first content, framed: what goes out, and can go out again while the connection proves dead. */
static int serialise(struct keeper_stream *s, const struct request_head *request, struct slice data, bool is_end) {
    struct slice parts[HTTP_CHUNK_PARTS] = {data};
    size_t n = 1;
    char line[20];
    int r = inject_write_head(&s->request, keeper_credential(s), s->secret->secret, request);

    if (request->body.kind == HTTP_BODY_CHUNKED)
        n = http_chunk_frame(data, is_end, line, parts);
    return r == 0 ? buf_append_rest(&s->request, parts, n, 0) : r;
}

static struct verdict unserialisable(int error) {
    if (error == -EINVAL)
        return (struct verdict){.refusal = REFUSAL_SECRET,
                                .reason = "the secret holds a character that its place in the request cannot"};
    return (struct verdict){.refusal = error == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_TOO_LARGE};
}

/* A placeholder strays: the supervisor hears of it, and the request goes no further. */
static struct verdict strayed(const struct keeper_stream *s, const struct placeholder_stray *stray) {
    static char reason[128]; /* until the exchange is over, which is now */
    struct ipc_writer w = ipc_begin(IPC_EXFILTRATION);

    ipc_put_u64(&w, s->id);
    ipc_put_u32(&w, stray->lease);
    ipc_put_bytes(&w, slice_of_string(stray->where));
    role_send(&w, -EBADF);
    (void)snprintf(reason, sizeof(reason), "%s: %.48s", refusal_text(REFUSAL_EXFILTRATION)->reason, stray->where);
    return (struct verdict){.refusal = REFUSAL_EXFILTRATION, .reason = reason};
}

/* The next of the request's content. Nothing of a piece in which a placeholder ends may go out. */
static struct verdict judge_content(struct keeper_stream *s, struct slice data) {
    struct placeholder_stray stray = {.where = "the body"};
    int r = canary_stream_look(&s->canary, data, &stray.lease);

    if (r < 0)
        return (struct verdict){.refusal = REFUSAL_NO_MEMORY};
    return r == 1 ? strayed(s, &stray) : (struct verdict){.refusal = REFUSAL_NONE};
}

static struct verdict judge(struct keeper_stream *s, const struct request_head *request, struct slice data) {
    struct verdict verdict = judge_content(s, data);
    struct placeholder_stray stray;

    if (verdict.refusal != REFUSAL_NONE)
        return verdict;
    verdict = lease_admit(keeper_lease(s), s->may_use, request, data, &stray);
    return verdict.refusal == REFUSAL_EXFILTRATION ? strayed(s, &stray) : verdict;
}

/* The rules, the budget, and the place for the key; from then on the exchange is under way. */
static int admit(struct keeper_stream *s, const struct request_head *request, struct slice data, bool is_end) {
    struct verdict verdict = judge(s, request, data);
    int r;

    s->account.rule = verdict.rule;
    if (verdict.refusal != REFUSAL_NONE)
        return keeper_fail(s, verdict);
    s->account.is_admitted = true;
    s->secret = held_use(keeper_lease(s)->held);
    if (!s->secret) {
        lease_release(keeper_lease(s));
        return keeper_fail(s, (struct verdict){.refusal = REFUSAL_NO_MEMORY});
    }
    lease_spend(keeper_lease(s), data.n);
    filter_begin(&s->filter, s->secret->mask, keeper_credential(s)->passes_cookies);
    r = serialise(s, request, data, is_end);
    if (r < 0)
        return keeper_fail(s, unserialisable(r));
    return keeper_go_upstream(s);
}

int keeper_request_begin(struct keeper_stream *s, struct ipc_message *m) {
    static struct http_fields fields; /* of the message; of no use when this returns */
    struct request_head request;
    struct slice data;
    bool is_end;
    int r = request_decode(m, &fields, &request, &data, &is_end);

    if (r < 0)
        return r;
    request.path = placeholder_cut_path(keeper_credential(s), lease_placeholder(keeper_lease(s)), request.path);
    r = remember(s, &request, data, is_end);
    if (r < 0)
        return r;
    if (is_end)
        relay_link_expect_nothing(&s->link);
    return admit(s, &request, data, is_end);
}

/* Chunks say nothing of what they will come to. */
static bool is_too_large(const struct keeper_stream *s) {
    uint64_t max = keeper_credential(s)->limits.max_body;

    return max > 0 && s->account.bytes_in > max;
}

int keeper_request_more(struct keeper_stream *s, struct ipc_message *m) {
    struct verdict verdict;
    struct slice data;
    bool is_end;
    int r = data_decode(m, &data, &is_end);

    if (r < 0 || s->is_ended)
        return -EPROTO;
    s->is_ended = is_end;
    if (s->state == WAIT_END && is_end)
        keeper_set_state(s, WAIT_REQUEST);
    if (s->state == WAIT_SOCKET)
        keeper_socket_send(s, data, is_end);
    if (s->state != WAIT_RESPONSE)
        return 0;
    s->account.bytes_in += data.n;
    /* what was declared is what is sent: no more, and an end only where it is due */
    if (s->body.kind == HTTP_BODY_LENGTH &&
        (s->account.bytes_in > s->body.length || (is_end && s->account.bytes_in != s->body.length)))
        return -EPROTO;
    lease_spend(keeper_lease(s), data.n);
    if (is_too_large(s))
        return keeper_fail(s, (struct verdict){.refusal = REFUSAL_MAX_BODY});
    verdict = judge_content(s, data);
    if (verdict.refusal != REFUSAL_NONE)
        return keeper_fail(s, verdict);
    if (!s->is_upload_off && client_send(s->client, data, is_end) < 0)
        s->is_upload_off = true;
    keeper_set_deadline(s);
    return 0;
}

/* The workload broke its request off: the upstream must never see it end well. */
int keeper_request_abandoned(struct keeper_stream *s, struct ipc_message *m) {
    char why[256];
    struct slice reason;
    unsigned status;
    int r = abort_decode(m, &status, &reason);

    if (r < 0)
        return r;
    if (keeper_is_in_exchange(s)) {
        (void)snprintf(why, sizeof(why), "%.*s", SLICE_ARG(reason));
        s->account.status = s->account.status ? s->account.status : status;
        if (s->client)
            s->client->must_close = true;
        s->is_ended = false;
        keeper_end_exchange(s, keeper_socket_has_closed(s) ? "" : why);
    }
    return 0;
}
