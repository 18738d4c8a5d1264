#include "fleet/link/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/macros.h"
#include "relay/client.h"
#include "wire/base64.h"
#include "wire/http_write.h"

struct handshake {
    struct client client;
    handshake_done *done;
    void *owner;
};

void handshake_cancel(struct handshake *handshake) {
    if (!handshake)
        return;
    client_done(&handshake->client);
    free(handshake);
}

static void over(struct handshake *handshake, struct stream *stream, struct slice early, const char *why) {
    handshake->done(handshake->owner, stream, early, why);
    handshake_cancel(handshake);
}

static const char *explain(unsigned status) {
    static char why[80];
    const char *what = status == 401 || status == 403 ? "refuses the token"
                       : status / 100 == 3            ? "redirects, which is not followed"
                                                      : "has another answer than a WebSocket";

    (void)snprintf(why, sizeof(why), "the hub %s (HTTP %u)", what, status);
    return why;
}

static bool has_extensions(const struct response_head *response) {
    for (size_t i = 0; i < response->n_fields; i++)
        if (slice_equals_nocase(response->fields[i].name, SLICE("Sec-WebSocket-Extensions")))
            return true;
    return false;
}

static void handshake_ready(struct watch *watch) {
    struct handshake *handshake = container_of(watch, struct handshake, client.stream.watch);
    struct client *client = &handshake->client;
    struct upstream_event event;
    int r = client_flush(client);

    if (r < 0 && r != -EAGAIN) {
        over(handshake, NULL, SLICE_EMPTY, "the hub broke the connection off");
        return;
    }
    do
        r = client_receive(client, &event);
    while (r == 1 && event.type == UPSTREAM_INTERIM);
    if (r != 1)
        return;
    if (event.type == UPSTREAM_ABORT)
        over(handshake, NULL, SLICE_EMPTY, client->fault);
    else if (event.type != UPSTREAM_SWITCH)
        over(handshake, NULL, SLICE_EMPTY, explain(event.response.status));
    else if (has_extensions(&event.response))
        over(handshake, NULL, SLICE_EMPTY, "the hub wants an extension of WebSocket that it was not offered");
    else
        over(handshake, &client->stream, client_early(client), NULL);
}

/* Room for all of it at once: nothing of the token is left behind in memory that was too small. */
static int put_target(struct buf *to, const struct handshake_plan *plan) {
    struct slice token = secret_view(plan->token), path = plan->hub->base_path;
    size_t room;
    char *at;

    if (token.n > LIMIT_TOKEN || !buf_reserve(to, LIMIT_TARGET, &room))
        return -EMSGSIZE;
    (void)buf_append(to, path.n > 0 ? path : SLICE("/"));
    (void)buf_append(to, SLICE("?token="));
    at = buf_reserve(to, 3 * token.n, &room);
    if (!at || room < 3 * token.n)
        return -EMSGSIZE;
    buf_commit(to, uri_percent_encode(token, at));
    return plan->has_broker ? buf_append(to, SLICE("&broker=1")) : 0;
}

static int put_fields(struct buf *to, const struct handshake_plan *plan, struct slice key) {
    char authority[URI_AUTHORITY_MAX], agent[LIMIT_NAME + 8];
    int n = snprintf(agent, sizeof(agent), "credfd/%s", plan->version);
    const struct http_field fields[] = {
        {SLICE("Host"), slice_of(authority, uri_format_authority(plan->hub, authority))},
        {SLICE("Upgrade"), SLICE("websocket")},
        {SLICE("Connection"), SLICE("Upgrade")},
        {SLICE("Sec-WebSocket-Key"), key},
        {SLICE("Sec-WebSocket-Version"), SLICE("13")},
        {SLICE("User-Agent"), slice_of(agent, n > 0 ? MIN_OF((size_t)n, sizeof(agent) - 1) : 0)},
    };
    int r = http_write_fields(to, fields, ARRAY_LEN(fields));

    return r == 0 ? http_write_head_end(to) : r;
}

static int begin(struct handshake *handshake, const struct handshake_plan *plan) {
    char random[16], key[WEBSOCKET_KEY_LENGTH];
    struct buf target, request;
    size_t room;
    int r = 0;

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return -EIO;
    (void)base64_encode(slice_of(random, sizeof(random)), key);
    buf_init_secret(&target, LIMIT_TARGET);
    buf_init_secret(&request, LIMIT_HEAD);
    if (!buf_reserve(&request, 2 * LIMIT_TARGET, &room))
        r = -ENOMEM;
    if (r == 0)
        r = put_target(&target, plan);
    if (r == 0)
        r = http_write_request_line(&request, SLICE("GET"), buf_slice(&target));
    if (r == 0)
        r = put_fields(&request, plan, slice_of(key, sizeof(key)));
    if (r == 0)
        r = client_begin(&handshake->client, buf_slice(&request), false, (struct http_framing){HTTP_BODY_NONE}, true);
    if (r == 0)
        client_expect_switch(&handshake->client, slice_of(key, sizeof(key)));
    buf_release(&target);
    buf_release(&request);
    return r;
}

struct handshake *handshake_start(const struct handshake_plan *plan, struct stream *stream, handshake_done *done,
                                  void *owner) {
    struct handshake *handshake = calloc(1, sizeof(*handshake));

    if (!handshake) {
        stream_done(stream);
        return NULL;
    }
    handshake->done = done;
    handshake->owner = owner;
    if (client_init(&handshake->client, stream, handshake_ready) == 0 && begin(handshake, plan) == 0) {
        watch_again(&handshake->client.stream.watch); /* TLS may have read some of the answer already */
        return handshake;
    }
    handshake_cancel(handshake);
    return NULL;
}
