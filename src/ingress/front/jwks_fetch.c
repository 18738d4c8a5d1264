#include "ingress/front/jwks_fetch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "names/reach.h"
#include "relay/client.h"
#include "wire/http_write.h"

/* What is waited for is told by what is set: a reach, then an answer on the client. */
struct jwks_fetch {
    char host[LIMIT_HOST + 1];
    struct buf request;
    struct reach_plan plan;
    struct tls_sessions sessions;
    struct reach *reach;
    struct client client;
    bool is_answered; /* with a 200 */
    struct buf json;
    struct timer deadline;
    jwks_fetched *done;
    void *owner;
};

static void fetch_free(struct jwks_fetch *fetch) {
    reach_cancel(fetch->reach);
    timer_cancel(&fetch->deadline);
    client_done(&fetch->client);
    tls_sessions_done(&fetch->sessions);
    buf_release(&fetch->request);
    buf_release(&fetch->json);
    free(fetch);
}

void jwks_fetch_cancel(struct jwks_fetch *fetch) {
    if (fetch)
        fetch_free(fetch);
}

static void fetch_over(struct jwks_fetch *fetch, const char *failure) {
    timer_cancel(&fetch->deadline);
    fetch->done(fetch->owner, failure ? SLICE_EMPTY : buf_slice(&fetch->json), failure);
    fetch_free(fetch);
}

static void fetch_late(struct timer *timer) {
    fetch_over(container_of(timer, struct jwks_fetch, deadline), "it took too long");
}

/* -EAGAIN to go on; else it is over, and `*ret_failure` says how. */
static int take_event(struct jwks_fetch *fetch, const struct upstream_event *event, const char **ret_failure) {
    *ret_failure = NULL;
    if (event->type == UPSTREAM_INTERIM)
        return -EAGAIN;
    if (event->type == UPSTREAM_RESPONSE)
        fetch->is_answered = event->response.status == 200;
    if (event->type == UPSTREAM_ABORT)
        *ret_failure = fetch->client.fault;
    else if (!fetch->is_answered)
        *ret_failure = "the answer is not a 200";
    else if (buf_append(&fetch->json, event->data) < 0)
        *ret_failure = "the answer is too long";
    return *ret_failure || event->is_end ? 0 : -EAGAIN;
}

static void client_ready(struct watch *watch) {
    struct jwks_fetch *fetch = container_of(watch, struct jwks_fetch, client.stream.watch);
    const char *failure = NULL;
    struct upstream_event event;
    int r = client_flush(&fetch->client);

    if (r < 0 && r != -EAGAIN) {
        fetch_over(fetch, "the connection broke off");
        return;
    }
    r = -EAGAIN;
    while (r == -EAGAIN && client_receive(&fetch->client, &event) == 1)
        r = take_event(fetch, &event, &failure);
    if (r == 0)
        fetch_over(fetch, failure);
}

static void reached(void *owner, struct stream *stream, unsigned status, const char *reason, const char *details) {
    struct jwks_fetch *fetch = owner;
    int r;

    (void)status;
    fetch->reach = NULL;
    if (!stream) {
        fetch_over(fetch, details ? details : reason);
        return;
    }
    r = client_init(&fetch->client, stream, client_ready);
    if (r == 0)
        r = client_begin(&fetch->client, buf_slice(&fetch->request), false, (struct http_framing){HTTP_BODY_NONE},
                         true);
    if (r < 0)
        fetch_over(fetch, "the connection broke off");
    else
        client_ready(&fetch->client.stream.watch); /* the handshake may have read some of the answer already */
}

static int write_request(struct buf *to, const struct jwks_url *url) {
    char authority[URI_AUTHORITY_MAX];
    size_t n = uri_format_authority(&url->server, authority);
    int r = http_write_request_line(to, SLICE("GET"), url->target);

    if (r == 0)
        r = http_write_field(to, SLICE("Host"), slice_of(authority, n));
    if (r == 0)
        r = http_write_field(to, SLICE("Accept"), SLICE("application/json"));
    if (r == 0)
        r = http_write_field(to, SLICE("Connection"), SLICE("close"));
    return r < 0 ? r : http_write_head_end(to);
}

struct jwks_fetch *jwks_fetch_start(const struct jwks_url *url, struct tls_context *trust, jwks_fetched *done,
                                    void *owner) {
    struct jwks_fetch *fetch = calloc(1, sizeof(*fetch));

    if (!fetch)
        return NULL;
    fetch->done = done;
    fetch->owner = owner;
    memcpy(fetch->host, url->server.host.p, MIN_OF(url->server.host.n, (size_t)LIMIT_HOST));
    buf_init(&fetch->request, LIMIT_HEAD);
    buf_init(&fetch->json, LIMIT_KEYS);
    fetch->deadline.on_expiry = fetch_late;
    timer_set(&fetch->deadline, TIMEOUT_KEYS);
    fetch->plan = (struct reach_plan){.host = fetch->host,
                                      .port = url->server.port,
                                      .tls = url->server.is_tls ? trust : NULL,
                                      .sessions = &fetch->sessions,
                                      .timeout_ms = TIMEOUT_KEYS};
    if (write_request(&fetch->request, url) == 0 && (!url->server.is_tls || trust))
        fetch->reach = reach_start(&fetch->plan, reached, fetch);
    if (fetch->reach)
        return fetch;
    fetch_free(fetch);
    return NULL;
}
