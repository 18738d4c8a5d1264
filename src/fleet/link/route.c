#include "fleet/link/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "names/reach.h"
#include "wire/http_write.h"

enum route_state {
    WAIT_SERVER, /* the hub itself, TLS and all, or the proxy */
    WAIT_PROXY,  /* to take our CONNECT, and for its answer */
    WAIT_TLS,    /* the hub's, through the proxy */
};

struct route {
    const struct route_plan *plan;
    enum route_state state;
    struct reach_plan reach_plan;
    struct reach *reach;
    struct stream stream;
    struct buf request; /* to the proxy; holds its password */
    struct buf answer;
    struct http_head_scan scan;
    struct timer deadline;
    uint64_t began_ms;
    route_done *done;
    void *owner;
};

static bool step_proxy(struct route *route);
static bool step_tls(struct route *route);

/* Each does what it can; true when the next state has its turn at once. */
static const struct {
    bool (*step)(struct route *route);
    const char *too_late;
} states[] = {
    [WAIT_SERVER] = {NULL, "it took too long"}, /* reach has words of its own, and is earlier */
    [WAIT_PROXY] = {step_proxy, "the proxy did not answer in time"},
    [WAIT_TLS] = {step_tls, "the TLS handshake through the proxy took too long"},
};

static void route_free(struct route *route) {
    reach_cancel(route->reach);
    stream_done(&route->stream);
    timer_cancel(&route->deadline);
    buf_release(&route->request);
    buf_release(&route->answer);
    free(route);
}

void route_cancel(struct route *route) {
    if (route)
        route_free(route);
}

/* The stream is still there while the owner is told: it may be moved out, and its failure may be looked at. */
static bool route_over(struct route *route, struct stream *stream, const char *why) {
    timer_cancel(&route->deadline);
    route->done(route->owner, stream, why);
    route_free(route);
    return false;
}

static void route_late(struct timer *timer) {
    struct route *route = container_of(timer, struct route, deadline);

    route_over(route, NULL, states[route->state].too_late);
}

static void set_state(struct route *route, enum route_state state) {
    route->state = state;
}

static bool step_tls(struct route *route) {
    int r = tls_handshake(&route->stream);

    if (r == 0)
        return route_over(route, &route->stream, NULL);
    return r == -EAGAIN ? false : route_over(route, NULL, tls_failure(&route->stream));
}

/* From here on the proxy passes bytes on, and can neither read nor change them. */
static bool begin_tls(struct route *route) {
    const struct route_plan *plan = route->plan;

    if (!plan->tls)
        return route_over(route, &route->stream, NULL);
    set_state(route, WAIT_TLS);
    if (tls_start(&route->stream, plan->tls, plan->host, plan->is_address, plan->sessions) == 0)
        return true;
    return route_over(route, NULL, "out of memory");
}

static bool judge_answer(struct route *route, struct slice head) {
    static struct http_response response;
    static char why[96];
    enum http_fault fault = http_response_parse(head, &response);

    if (fault != HTTP_OK)
        return route_over(route, NULL, "the proxy's answer is malformed");
    if (response.status / 100 == 2 && buf_length(&route->answer) > head.n)
        return route_over(route, NULL, "the proxy says more than its answer");
    if (response.status / 100 == 2)
        return begin_tls(route);
    (void)snprintf(why, sizeof(why), "the proxy refuses%s (HTTP %u)",
                   response.status == 407 ? " us: it wants a name and a password, or others" : "", response.status);
    return route_over(route, NULL, why);
}

/* 0 when all of it is written, -EAGAIN, or -errno. */
static int write_request(struct route *route) {
    while (!buf_is_empty(&route->request)) {
        struct slice waiting = buf_slice(&route->request);
        ssize_t n = stream_write(&route->stream, &waiting, 1);

        if (n < 0)
            return (int)n;
        buf_consume(&route->request, (size_t)n);
    }
    buf_release(&route->request);
    return 0;
}

/* Reads what is there of the answer: 1, 0 at the end, -EAGAIN or -errno. */
static ssize_t read_answer(struct route *route) {
    size_t room;
    char *to = buf_reserve(&route->answer, LIMIT_HEAD, &room);
    ssize_t n = to ? stream_read(&route->stream, to, room) : -EMSGSIZE;

    if (n > 0)
        buf_commit(&route->answer, (size_t)n);
    return n;
}

static bool step_proxy(struct route *route) {
    ssize_t r = write_request(route);

    while (r == 0) {
        enum http_fault fault;
        ptrdiff_t length = http_head_scan(&route->scan, HTTP_RESPONSE, buf_slice(&route->answer), &fault);

        if (length > 0)
            return judge_answer(route, slice_first(buf_slice(&route->answer), (size_t)length));
        if (length < 0)
            return route_over(route, NULL, "the proxy's answer is malformed");
        r = read_answer(route);
        if (r == 0)
            r = -ECONNRESET;
        else if (r > 0)
            r = 0;
    }
    return r == -EAGAIN ? false : route_over(route, NULL, "the proxy broke the connection off");
}

static void route_ready(struct watch *watch) {
    struct route *route = container_of(watch, struct route, stream.watch);

    while (states[route->state].step(route)) {
    }
}

/* `host:port`: the port always (RFC 9110 §9.3.6). */
static int put_connect(struct route *route) {
    const struct route_plan *plan = route->plan;
    bool is_ipv6 = strchr(plan->host, ':') != NULL;
    char target[LIMIT_AUTHORITY];
    struct slice authority;
    struct buf authorization;
    int n =
        snprintf(target, sizeof(target), "%s%s%s:%u", is_ipv6 ? "[" : "", plan->host, is_ipv6 ? "]" : "", plan->port);
    int r = n < 0 || (size_t)n >= sizeof(target) ? -EINVAL : 0;

    authority = slice_of(target, r == 0 ? (size_t)n : 0);
    buf_init_secret(&authorization, LIMIT_HEAD);
    if (r == 0)
        r = http_write_request_line(&route->request, SLICE("CONNECT"), authority);
    if (r == 0)
        r = http_write_field(&route->request, SLICE("Host"), authority);
    if (r == 0 && plan->proxy->user_info.n > 0)
        r = proxy_write_authorization(plan->proxy, &authorization);
    if (r == 0 && plan->proxy->user_info.n > 0)
        r = http_write_field(&route->request, SLICE("Proxy-Authorization"), buf_slice(&authorization));
    if (r == 0)
        r = http_write_head_end(&route->request);
    buf_release(&authorization);
    return r;
}

/* How much is left of the time for all of it. */
static void set_deadline(struct route *route) {
    uint64_t spent_ms = loop_now_ms() - route->began_ms;

    timer_set(&route->deadline, route->plan->timeout_ms - MIN_OF(spent_ms, route->plan->timeout_ms));
}

static void begin_proxy(struct route *route, struct stream *stream) {
    if (stream_move(stream, &route->stream, route_ready) < 0 || put_connect(route) < 0) {
        route_over(route, NULL, "the proxy cannot be asked: out of memory, or its name and password are malformed");
        return;
    }
    set_state(route, WAIT_PROXY);
    set_deadline(route);
    route_ready(&route->stream.watch);
}

static void reached(void *owner, struct stream *stream, unsigned status, const char *reason, const char *details) {
    static char why[LIMIT_REASON];
    struct route *route = owner;
    const struct proxy *proxy = route->plan->proxy;

    (void)status;
    route->reach = NULL;
    if (stream && proxy) {
        begin_proxy(route, stream);
    } else if (stream) {
        route_over(route, stream, NULL);
    } else {
        (void)snprintf(why, sizeof(why), "%s%s%s%s", proxy ? "the proxy: " : "", reason, details ? ": " : "",
                       details ? details : "");
        route_over(route, NULL, why);
    }
}

struct route *route_start(const struct route_plan *plan, route_done *done, void *owner) {
    struct route *route = calloc(1, sizeof(*route));
    const struct proxy *proxy = plan->proxy;

    if (!route)
        return NULL;
    *route = (struct route){.plan = plan, .done = done, .owner = owner, .began_ms = loop_now_ms()};
    buf_init_secret(&route->request, LIMIT_HEAD);
    buf_init(&route->answer, LIMIT_HEAD);
    route->deadline.on_expiry = route_late;
    route->reach_plan = (struct reach_plan){.host = proxy ? proxy->host : plan->host,
                                            .port = proxy ? proxy->port : plan->port,
                                            .tls = proxy ? NULL : plan->tls,
                                            .sessions = plan->sessions,
                                            .timeout_ms = plan->timeout_ms};
    route->reach = reach_start(&route->reach_plan, reached, route);
    if (route->reach)
        return route;
    route_free(route);
    return NULL;
}
