#include "ingress/pairing/instance_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/macros.h"
#include "names/lookup.h"
#include "net/dial.h"
#include "relay/client.h"

/* What is waited for is told by what is set: a lookup, then a dial, then the answer on `client`. */
struct instance_call {
    call_done *done;
    void *owner;
    struct call_times times;
    struct buf request, cookies, body;
    size_t cookie_ends[LIMIT_SET_COOKIES]; /* of each, in `cookies` */
    size_t n_cookies;
    unsigned status;
    struct lookup *lookup;
    struct dial *dial;
    struct client client;
    bool has_client;
    char key[WEBSOCKET_KEY_LENGTH]; /* of a WebSocket that is asked for; zero: none is */
    struct timer deadline;          /* also, with no delay, reports what was known at once */
    enum call_end late;             /* what it reports */
    const char *late_reason;
};

static void call_free(struct instance_call *call) {
    lookup_cancel(call->lookup);
    dial_cancel(call->dial);
    if (call->has_client)
        client_done(&call->client);
    timer_cancel(&call->deadline);
    buf_release(&call->request);
    buf_release(&call->cookies);
    buf_release(&call->body);
    free(call);
}

void instance_call_cancel(struct instance_call *call) {
    if (call)
        call_free(call);
}

static void call_over(struct instance_call *call, enum call_end end, const char *reason) {
    struct call_answer answer = {.end = end, .reason = reason, .status = call->status, .body = buf_slice(&call->body)};
    struct slice cookies = buf_slice(&call->cookies);

    for (size_t i = 0, from = 0; i < call->n_cookies; from = call->cookie_ends[i++])
        answer.set_cookies[answer.n_set_cookies++] = slice_of(cookies.p + from, call->cookie_ends[i] - from);
    timer_cancel(&call->deadline);
    call->done(call->owner, &answer);
    call_free(call);
}

static void call_late(struct timer *timer) {
    struct instance_call *call = container_of(timer, struct instance_call, deadline);

    call_over(call, call->late, call->late_reason);
}

static void wait_for(struct instance_call *call, uint64_t ms, enum call_end late, const char *reason) {
    call->late = late;
    call->late_reason = reason;
    timer_set(&call->deadline, ms);
}

/* Reports from the loop, never from inside the call that began it. */
static void fail_soon(struct instance_call *call, const char *reason) {
    wait_for(call, 0, CALL_UNREACHABLE, reason);
}

static int take_cookies(struct instance_call *call, const struct response_head *head) {
    for (size_t i = 0; i < head->n_fields; i++) {
        if (!slice_equals_nocase(head->fields[i].name, SLICE("Set-Cookie")))
            continue;
        if (call->n_cookies == LIMIT_SET_COOKIES || buf_append(&call->cookies, head->fields[i].value) < 0)
            return -ENOBUFS;
        call->cookie_ends[call->n_cookies++] = buf_length(&call->cookies);
    }
    return 0;
}

/* True while more is to come. */
static bool take_event(struct instance_call *call, const struct upstream_event *event) {
    bool is_end = event->is_end;
    int r = 0;

    if (event->type == UPSTREAM_INTERIM)
        return true;
    if (event->type == UPSTREAM_ABORT) {
        call_over(call, CALL_BROKEN, call->client.fault);
        return false;
    }
    if (event->type == UPSTREAM_SWITCH) {
        call->status = event->response.status;
        call_over(call, CALL_ANSWERED, NULL);
        return false;
    }
    if (event->type == UPSTREAM_RESPONSE) {
        call->status = event->response.status;
        r = take_cookies(call, &event->response);
    }
    if (r == 0)
        r = buf_append(&call->body, event->data);
    if (r < 0) {
        call_over(call, CALL_TOO_LONG, "the instance's answer is too long");
        return false;
    }
    if (is_end)
        call_over(call, CALL_ANSWERED, NULL);
    return !is_end;
}

static void answer_step(struct watch *watch) {
    struct instance_call *call = container_of(watch, struct instance_call, client.stream.watch);
    struct upstream_event event;

    /* an instance that takes no more may have answered all the same: what it says decides */
    (void)client_flush(&call->client);
    while (client_receive(&call->client, &event) == 1)
        if (!take_event(call, &event))
            return;
}

static void connected(struct instance_call *call, int fd) {
    struct stream stream;
    int r = stream_init(&stream, fd, answer_step);

    if (r == 0)
        r = client_init(&call->client, &stream, answer_step);
    call->has_client = r == 0;
    if (r == 0 && buf_is_empty(&call->request)) {
        wait_for(call, 0, CALL_ANSWERED, NULL);
        return;
    }
    if (r == 0) {
        call->client.in.is_secret = true; /* what an instance sets is a key to it */
        r = client_begin(&call->client, buf_slice(&call->request), false, (struct http_framing){HTTP_BODY_NONE, 0},
                         true);
    }
    if (r == 0 && call->key[0] != '\0')
        client_expect_switch(&call->client, slice_of(call->key, sizeof(call->key)));
    buf_release(&call->request);
    if (r == -ENOMEM || !call->has_client)
        fail_soon(call, "out of memory or descriptors");
    else
        wait_for(call, call->times.response_ms, CALL_SILENT, "the instance's answer took too long");
}

/* Words for what connect(2) said. */
static const char *connect_failure(int error) {
    switch (-error) {
    case ECONNREFUSED:
        return "the instance refused the connection";
    case ENOENT:
        return "the instance's socket is not there";
    case EACCES:
    case EPERM:
        return "the instance's socket may not be used";
    case EAGAIN:
        return "the instance's queue of connections is full";
    case EMFILE:
    case ENFILE:
        return "no descriptor is left for a connection";
    default:
        return "the connection to the instance failed";
    }
}

static void dialled(void *owner, int fd) {
    struct instance_call *call = owner;

    call->dial = NULL;
    if (fd < 0)
        call_over(call, CALL_UNREACHABLE, connect_failure(fd));
    else
        connected(call, fd);
}

static void dial(struct instance_call *call, const struct address *addresses, size_t n) {
    if (dial_start(addresses, n, dialled, call, &call->dial) < 0)
        fail_soon(call, "out of memory or descriptors");
}

static void looked_up(void *owner, const struct lookup_result *result) {
    struct instance_call *call = owner;

    call->lookup = NULL;
    if (result->n == 0)
        fail_soon(call, "the instance's name could not be resolved");
    else
        dial(call, result->addresses, result->n);
}

/* unix(7): it connects at once, or not at all. */
static void connect_unix(struct instance_call *call, struct slice path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -EBADF;

    if (path.n >= sizeof(to.sun_path)) {
        fail_soon(call, "the path of the instance's socket is too long");
        return;
    }
    memcpy(to.sun_path, path.p, path.n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
        fail_soon(call, connect_failure(-errno));
    else
        connected(call, fd_steal(&fd));
}

static void begin(struct instance_call *call, const struct instance *instance) {
    wait_for(call, call->times.connect_ms, CALL_UNREACHABLE, "the instance did not accept the connection in time");
    switch (instance->place) {
    case INSTANCE_ADDRESS:
        dial(call, &instance->address, 1);
        break;
    case INSTANCE_UNIX:
        connect_unix(call, instance->path);
        break;
    case INSTANCE_NAME:
        call->lookup = lookup_start(instance->host, instance->port, looked_up, call);
        break;
    }
}

int instance_call_start(const struct instance *instance, struct slice request, struct call_times times, call_done *done,
                        void *owner, struct instance_call **ret) {
    struct instance_call *call = calloc(1, sizeof(*call));

    if (!call)
        return -ENOMEM;
    *call = (struct instance_call){.done = done, .owner = owner, .times = times, .deadline.on_expiry = call_late};
    buf_init_secret(&call->request, LIMIT_DATAGRAM);
    buf_init_secret(&call->cookies, LIMIT_COOKIE);
    buf_init_secret(&call->body, LIMIT_INSTANCE_ANSWER);
    if (buf_append(&call->request, request) < 0) {
        call_free(call);
        return -ENOMEM;
    }
    begin(call, instance);
    *ret = call;
    return 0;
}

void instance_call_expect_switch(struct instance_call *call, struct slice key) {
    memcpy(call->key, key.p, MIN_OF(key.n, sizeof(call->key)));
    if (call->has_client) /* a unix socket connects at once */
        client_expect_switch(&call->client, slice_of(call->key, sizeof(call->key)));
}
