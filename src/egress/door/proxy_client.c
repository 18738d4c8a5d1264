#include "egress/door/proxy_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/door/farewell.h"
#include "egress/door/house.h"
#include "egress/door/lease_stream.h"
#include "egress/door/listener.h"
#include "egress/door/proxy_answer.h"
#include "egress/door/proxy_door.h"
#include "egress/door/proxy_forward.h"
#include "egress/door/proxy_head.h"
#include "egress/door/proxy_hello.h"
#include "egress/door/proxy_tell.h"
#include "egress/door/proxy_tunnel.h"
#include "net/tls.h"
#include "net/tls_terminate.h"

#define READ_FIRST 4096

enum proxy_state {
    PROXY_WAIT_HEAD,      /* nothing, or a part, of the first head has come */
    PROXY_WAIT_CALL,      /* for the supervisor: a stream, a way, or neither */
    PROXY_WAIT_SWITCH,    /* for the client to take the 200 */
    PROXY_WAIT_HANDSHAKE, /* of the TLS that is ended here */
    PROXY_WAIT_REQUEST,   /* for the first byte inside that */
    PROXY_WAIT_HELLO,     /* for all of the ClientHello that goes on to another host */
};

struct proxy_client {
    struct stream stream;
    enum proxy_state state;
    struct buf in;     /* of the client: the head, what was said inside TLS, the ClientHello */
    struct slice left; /* of the 200, not yet taken */
    struct http_head_scan scan;
    struct client_hello hello;
    struct timer deadline;
    struct caller caller;
    struct proxy_ask ask;
    const struct proxy_place *place; /* of the lease that the host belongs to; NULL for another host */
    struct call *call;
    bool is_granted; /* what the supervisor has granted, and nobody serves yet: */
    uint64_t id;     /* of the stream, or of the way */
    int fd;          /* the pair to the keeper, or the connected socket */
};

/* False when the client is gone from here: it has been handed on, or has ended. True: there is nothing more to do now. */
typedef bool state_step(struct proxy_client *c);
static state_step wait_head, wait_call, wait_switch, wait_handshake, wait_request, wait_hello;

static const struct {
    const char *name;
    state_step *step;
    const char *left, *late; /* why it ends, when the client leaves or is too slow */
} states[] = {
    [PROXY_WAIT_HEAD] = {"WAIT_HEAD", wait_head, "", ""},
    [PROXY_WAIT_CALL] = {"WAIT_CALL", wait_call, "", ""},
    [PROXY_WAIT_SWITCH] = {"WAIT_SWITCH", wait_switch, "the client left before its tunnel was open",
                           "the client did not take the answer to its CONNECT"},
    [PROXY_WAIT_HANDSHAKE] = {"WAIT_HANDSHAKE", wait_handshake, "the client left during its TLS handshake",
                              "the client's TLS handshake took too long"},
    [PROXY_WAIT_REQUEST] = {"WAIT_REQUEST", wait_request,
                            "the client left right behind its TLS handshake (does it pin a certificate of its own?)",
                            "the client sent no request"},
    [PROXY_WAIT_HELLO] = {"WAIT_HELLO", wait_hello, "the client left before it said anything",
                          "no ClientHello came in time: only https goes by CONNECT"},
};

static void set_state(struct proxy_client *c, enum proxy_state state, uint64_t ms) {
    log_debug("proxy client %d: %s -> %s", c->stream.fd, states[c->state].name, states[state].name);
    c->state = state;
    timer_set(&c->deadline, ms);
}

/* What was granted is given back, with the reason for the audit. */
static void give_back(struct proxy_client *c, enum proxy_outcome outcome, unsigned status, const char *reason) {
    if (!c->is_granted)
        return;
    c->is_granted = false;
    fd_close(&c->fd);
    if (c->place) {
        proxy_tell_unserved(c->id, reason);
        return;
    }
    proxy_tell_used(c->id, &(struct proxy_use){.outcome = outcome,
                                               .status = status,
                                               .method = c->ask.is_connect ? SLICE("CONNECT") : SLICE_EMPTY,
                                               .path = SLICE_EMPTY,
                                               .reason = slice_of_string(reason)});
    proxy_tell_closed(c->id);
}

/* Its stream is somebody else's, or closed. */
static void client_free(struct proxy_client *c) {
    timer_cancel(&c->deadline);
    call_cancel(c->call);
    fd_close(&c->caller.pidfd);
    stream_done(&c->stream);
    buf_release(&c->in);
    free(c);
}

static void client_left(void *unused) {
    (void)unused;
    listener_left();
}

static void client_end(struct proxy_client *c, const char *reason) {
    give_back(c, PROXY_SERVED, c->state == PROXY_WAIT_CALL ? 0 : 200, reason);
    client_free(c);
    listener_left();
}

/* A last word to it, in HTTP. */
static void client_refuse(struct proxy_client *c, const struct problem *problem) {
    if (farewell_say(&c->stream, problem, client_left, NULL) < 0)
        listener_left();
    client_free(c);
}

/* Served by a lease from here on. */
static void serve_lease(struct proxy_client *c, const struct exchange_rules *rules) {
    const struct lease_stream_plan plan = {
        .id = c->id, .pair = fd_steal(&c->fd), .rules = rules, .timeouts = house_timeouts(), .closed = client_left};
    struct lease_stream *stream;

    c->is_granted = false;
    if (lease_stream_serve(&plan, &c->stream, buf_slice(&c->in), &stream) < 0)
        listener_left();
    client_free(c);
}

static void serve_way(struct proxy_client *c) {
    int r;

    c->is_granted = false;
    if (c->ask.is_connect)
        r = proxy_tunnel_open(c->id, &c->stream, buf_slice(&c->in), fd_steal(&c->fd));
    else
        r = proxy_forward_serve(c->id, &c->stream, buf_slice(&c->in), fd_steal(&c->fd), &c->ask.target);
    if (r < 0)
        log_debug("a way could not be served: error %d", -r);
    client_free(c);
}

static void client_step(struct proxy_client *c);

static void call_is_answered(void *owner, struct call_answer *answer) {
    struct proxy_client *c = owner;

    c->call = NULL;
    if (!answer->is_granted) {
        const struct problem problem = proxy_answer_refused(answer, c->place);

        client_refuse(c, &problem);
        return;
    }
    c->is_granted = true;
    c->id = answer->id;
    c->fd = answer->fd;
    if (c->ask.is_connect) {
        buf_release(&c->in);
        c->left = PROXY_ANSWER_CONNECTED;
        set_state(c, PROXY_WAIT_SWITCH, house_timeouts()->write_ms);
        client_step(c);
    } else if (c->place) {
        serve_lease(c, &c->place->single);
    } else {
        serve_way(c);
    }
}

/* The head is whole: whose is it to serve? */
static bool begin_call(struct proxy_client *c) {
    struct problem problem = proxy_answer_busy();
    enum proxy_route route = proxy_route_find(&c->ask.target, c->ask.is_tls, &c->place);

    if (route == ROUTE_PLAIN || route == ROUTE_TLS)
        problem = proxy_answer_scheme(route, c->place);
    else if (route == ROUTE_LEASE)
        c->call = call_lease(c->place->door, &c->caller, call_is_answered, c);
    else if (c->ask.is_tls && !c->ask.is_connect)
        problem = proxy_answer_connect();
    else
        c->call = call_way(connect_target_host(&c->ask.target), c->ask.target.port, !c->ask.is_connect, &c->caller,
                           call_is_answered, c);
    if (!c->call) {
        client_refuse(c, &problem);
        return false;
    }
    set_state(c, PROXY_WAIT_CALL, TIMEOUT_CALL + TIMEOUT_LINGER); /* the call has a time of its own, and words for it */
    return true;
}

/*
 * Looks at what has come, and takes out of the kernel what belongs to the head: what is behind it is for whoever comes
 * next. 1, 0 at the end, -EAGAIN or -errno.
 */
static int read_head(struct proxy_client *c, enum proxy_head_verdict *ret, struct problem *ret_why) {
    size_t room, length = 0, before = buf_length(&c->in);
    char *to = buf_reserve(&c->in, READ_FIRST, &room);
    ssize_t n = to ? recv(c->stream.fd, to, MIN_OF(room, (size_t)READ_FIRST), MSG_PEEK | MSG_DONTWAIT) : -1;

    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            watch_not_ready(&c->stream.watch, EPOLLIN);
        return n == 0 ? 0 : -errno;
    }
    buf_commit(&c->in, (size_t)n);
    *ret = proxy_head_read(&c->scan, buf_slice(&c->in), &c->ask, &length, ret_why);
    if (*ret == PROXY_HEAD_WHOLE) {
        n = (ssize_t)(length - before);
        c->in.end = c->in.start + length;
    }
    return stream_read(&c->stream, to, (size_t)n) == n ? 1 : -EIO;
}

static bool wait_head(struct proxy_client *c) {
    enum proxy_head_verdict verdict = PROXY_HEAD_MORE;
    struct problem problem = {.status = 400, .reason = SLICE("the request ends before its head does")};

    while (verdict == PROXY_HEAD_MORE) {
        bool is_first = buf_is_empty(&c->in);
        int r = read_head(c, &verdict, &problem);

        if (r == -EAGAIN) {
            if (buf_is_empty(&c->in))
                buf_release(&c->in);
            return true;
        }
        if (r < 0 || (r == 0 && is_first)) {
            client_end(c, "");
            return false;
        }
        if (r == 0)
            verdict = PROXY_HEAD_REFUSED;
        else if (is_first)
            timer_set(&c->deadline, house_timeouts()->head_ms);
    }
    if (verdict == PROXY_HEAD_WHOLE)
        return begin_call(c);
    client_refuse(c, &problem);
    return false;
}

/* What it says meanwhile stays in the kernel. */
static bool wait_call(struct proxy_client *c) {
    (void)c;
    return true;
}

static bool wait_switch(struct proxy_client *c) {
    struct tls_terminator *terminator;

    while (c->left.n > 0) {
        ssize_t n = stream_write(&c->stream, &c->left, 1);

        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            client_end(c, states[c->state].left);
            return false;
        }
        c->left = slice_from(c->left, (size_t)n);
    }
    if (!c->place) {
        set_state(c, PROXY_WAIT_HELLO, TIMEOUT_HANDSHAKE);
        return wait_hello(c);
    }
    if (c->place->is_own) {
        set_state(c, PROXY_WAIT_REQUEST, house_timeouts()->idle_ms);
        return wait_request(c);
    }
    terminator = proxy_terminator(connect_target_host(&c->ask.target));
    if (!terminator || tls_terminate(&c->stream, terminator) < 0) {
        client_end(c, "there is no certificate for this lease's host, or no memory for a handshake");
        return false;
    }
    set_state(c, PROXY_WAIT_HANDSHAKE, TIMEOUT_HANDSHAKE);
    return wait_handshake(c);
}

static const char *name_failure(const struct proxy_client *c) {
    return tls_terminate_is_distrusted(&c->stream)
               ? "the client does not trust the certificate of this lease (does it pin its own?)"
               : tls_failure(&c->stream);
}

static bool wait_handshake(struct proxy_client *c) {
    int r = tls_handshake(&c->stream);

    if (r == -EAGAIN)
        return true;
    if (r < 0) {
        client_end(c, name_failure(c));
        return false;
    }
    set_state(c, PROXY_WAIT_REQUEST, house_timeouts()->idle_ms);
    return wait_request(c);
}

/* The next of what the client says into `in`: bytes, 0 at its end, -EAGAIN or -errno. */
static ssize_t fill(struct proxy_client *c) {
    size_t room;
    char *to = buf_reserve(&c->in, READ_FIRST, &room);
    ssize_t n = to ? stream_read(&c->stream, to, MIN_OF(room, (size_t)READ_FIRST)) : -errno;

    if (n > 0)
        buf_commit(&c->in, (size_t)n);
    else if (buf_is_empty(&c->in))
        buf_release(&c->in);
    return n;
}

/* Who does not like our certificate after all goes without a word: that is worth a line of the audit. */
static bool wait_request(struct proxy_client *c) {
    ssize_t n = fill(c);

    if (n == -EAGAIN)
        return true;
    if (n <= 0 && c->place->is_own)
        client_end(c, "the client left before it said anything");
    else if (n <= 0)
        client_end(c, n == 0 || n == -ECONNRESET ? states[c->state].left : name_failure(c));
    else
        serve_lease(c, &c->place->inside);
    return false;
}

/* Not a byte of it has left, and none will. */
static void cut(struct proxy_client *c, const char *reason) {
    const struct problem problem = {.status = 403,
                                    .rule = SLICE("egress.allow"),
                                    .reason = slice_of_string(reason),
                                    .hint = proxy_outcome_hint(PROXY_NOT_TLS)};
    bool is_tls = slice_starts_with(buf_slice(&c->in), SLICE("\x16"));
    struct slice alert = proxy_hello_alert(&c->hello);

    give_back(c, PROXY_NOT_TLS, 403, reason);
    if (!is_tls) {
        client_refuse(c, &problem);
        return;
    }
    (void)stream_write(&c->stream, &alert, 1); /* a socket that has taken nothing but a line takes it */
    client_free(c);
    listener_left();
}

static bool wait_hello(struct proxy_client *c) {
    const char *reason = NULL;
    enum proxy_hello verdict = HELLO_MORE;

    while (verdict == HELLO_MORE) {
        ssize_t n = fill(c);

        if (n == -EAGAIN)
            return true;
        if (n <= 0) {
            client_end(c, states[c->state].left);
            return false;
        }
        verdict = proxy_hello_judge(&c->hello, buf_slice(&c->in), &c->ask.target, &reason);
    }
    if (verdict == HELLO_GOOD)
        serve_way(c);
    else
        cut(c, reason);
    return false;
}

/*
 * Both directions are gone: nobody is there for whom anything could be done. In a handshake its last word is still heard:
 * why it has left.
 */
static void client_step(struct proxy_client *c) {
    if ((stream_is_ready(&c->stream, EPOLLERR) && c->state != PROXY_WAIT_HANDSHAKE) ||
        (c->state == PROXY_WAIT_CALL && stream_is_ready(&c->stream, EPOLLHUP))) {
        client_end(c, states[c->state].left);
        return;
    }
    (void)states[c->state].step(c);
}

static void client_ready(struct watch *watch) {
    client_step(container_of(watch, struct proxy_client, stream.watch));
}

static void client_late(struct timer *timer) {
    struct proxy_client *c = container_of(timer, struct proxy_client, deadline);
    const struct problem problem = {.status = 408, .reason = SLICE("the request's head did not come in time")};

    if (c->state == PROXY_WAIT_HEAD && !buf_is_empty(&c->in))
        client_refuse(c, &problem);
    else
        client_end(c, states[c->state].late);
}

void proxy_client_new(int fd, const struct caller *caller) {
    struct proxy_client *c = calloc(1, sizeof(*c));

    if (!c) {
        int pidfd = caller->pidfd;

        fd_close(&fd);
        fd_close(&pidfd);
        listener_left();
        return;
    }
    *c = (struct proxy_client){.caller = *caller, .fd = -EBADF};
    c->deadline.on_expiry = client_late;
    buf_init(&c->in, LIMIT_CLIENT_HELLO);
    if (stream_init(&c->stream, fd, client_ready) < 0) {
        client_free(c);
        listener_left();
        return;
    }
    timer_set(&c->deadline, house_timeouts()->idle_ms);
}
