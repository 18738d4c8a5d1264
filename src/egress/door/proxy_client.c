#include "egress/door/proxy_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
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
#include "egress/door/proxy_turn.h"
#include "net/tls.h"
#include "net/tls_terminate.h"

#define READ_FIRST 4096
#define READ_BEHIND (16 * 1024) /* of what has come behind a head, to be looked at with it */
#define TLS_FIRST "\x16"

static const char is_gone[] =
    "the client closed the connection right behind the TLS handshake, without a request (it may "
    "not trust the certificate: does it pin its own?)";

enum proxy_state {
    PROXY_WAIT_HEAD,      /* nothing, or a part, of the first head has come */
    PROXY_WAIT_CALL,      /* for the supervisor: a stream, a way, or neither */
    PROXY_WAIT_SWITCH,    /* for the client to take the 200 */
    PROXY_WAIT_GREETING,  /* for the first byte of the TLS that is ended here */
    PROXY_WAIT_HANDSHAKE, /* of that TLS */
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
    size_t counted; /* of `in`: in long_hellos */
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
static state_step wait_head, wait_call, wait_switch, wait_greeting, wait_handshake, wait_request, wait_hello;

static const struct {
    const char *name;
    state_step *step;
    const char *left, *late; /* why its way ends, when the client leaves or is too slow */
} states[] = {
    [PROXY_WAIT_HEAD] = {"WAIT_HEAD", wait_head, "", ""},
    [PROXY_WAIT_CALL] = {"WAIT_CALL", wait_call, "", ""},
    [PROXY_WAIT_SWITCH] = {"WAIT_SWITCH", wait_switch, "the client left before its tunnel was open",
                           "the client did not take the answer to its CONNECT"},
    [PROXY_WAIT_GREETING] = {"WAIT_GREETING", wait_greeting, "", ""},
    [PROXY_WAIT_HANDSHAKE] = {"WAIT_HANDSHAKE", wait_handshake, is_gone, "the client's TLS handshake took too long"},
    [PROXY_WAIT_REQUEST] = {"WAIT_REQUEST", wait_request, is_gone, ""},
    [PROXY_WAIT_HELLO] = {"WAIT_HELLO", wait_hello, "the client left before it said anything",
                          "no ClientHello came in time: only https goes by CONNECT"},
};

/* Beyond the first READ_FIRST bytes of each, of all ClientHellos that are not whole: an honest one hardly has any. */
static size_t long_hellos;

static void count_hello(struct proxy_client *c, size_t length) {
    size_t beyond = length > READ_FIRST ? length - READ_FIRST : 0;

    long_hellos = long_hellos - c->counted + beyond;
    c->counted = beyond;
}

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
        proxy_tell_unserved(c->id);
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
    count_hello(c, 0);
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

/* The lease's stream that it was granted ends before it began, and the audit is to say why. */
static void tell_unserved(const struct proxy_client *c, enum turn_away_why why, unsigned status, const char *reason) {
    turn_away_tell(&c->caller, &(struct turned_away){.why = why,
                                                     .stream = c->id,
                                                     .door = c->place->door,
                                                     .status = status,
                                                     .method = SLICE("CONNECT"),
                                                     .authority = SLICE_EMPTY,
                                                     .path = SLICE_EMPTY,
                                                     .reason = slice_of_string(reason)});
}

static void client_fail(struct proxy_client *c, enum turn_away_why why, unsigned status, const char *reason) {
    tell_unserved(c, why, status, reason);
    client_end(c, "");
}

/*
 * It has left. Who does so at a handshake with us, or right behind it, may not like our certificate, and says nothing:
 * that is worth a line. Who leaves earlier has only changed his mind.
 */
static void client_gone(struct proxy_client *c) {
    if (c->place && !c->place->is_own && (c->state == PROXY_WAIT_HANDSHAKE || c->state == PROXY_WAIT_REQUEST))
        client_fail(c, AWAY_DISTRUSTED, 0, states[c->state].left);
    else
        client_end(c, states[c->state].left);
}

/* A last word to it, in HTTP. */
static void client_refuse(struct proxy_client *c, const struct problem *problem) {
    if (farewell_say(&c->stream, problem, client_left, NULL) < 0)
        listener_left();
    client_free(c);
}

/* The same, where nobody else tells of it. */
static void client_turn_away(struct proxy_client *c, enum turn_away_why why, const struct problem *problem) {
    proxy_turn_tell(&c->caller, why, c->place, buf_slice(&c->in), problem->status, problem->reason);
    client_refuse(c, problem);
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

/* The head with what has come behind it, or what there is of one: 1 with a placeholder in it, 0 or -ENOMEM. */
static int look_at_all(struct proxy_client *c) {
    size_t room;
    char *to = buf_reserve(&c->in, READ_BEHIND, &room);
    ssize_t n = to ? recv(c->stream.fd, to, MIN_OF(room, (size_t)READ_BEHIND), MSG_PEEK | MSG_DONTWAIT) : 0;
    struct slice head = buf_slice(&c->in);

    return proxy_turn_look(slice_of(head.p, head.n + (n > 0 ? (size_t)n : 0)));
}

/*
 * A placeholder has no business here, whoever is asked for: but in a request to a lease, in which its keeper looks for
 * it. What is said to the proxy itself no keeper sees.
 */
static int look_at_head(struct proxy_client *c, enum proxy_route route) {
    if (route != ROUTE_LEASE)
        return look_at_all(c);
    return proxy_turn_look(c->ask.is_connect ? buf_slice(&c->in) : c->ask.credentials);
}

/* Nobody can serve what came. */
static void refuse_head(struct proxy_client *c, struct problem problem) {
    bool is_betrayed = look_at_all(c) > 0;

    if (is_betrayed)
        problem = proxy_answer_betrayed();
    client_turn_away(c, is_betrayed ? AWAY_BETRAYED : AWAY_MALFORMED, &problem);
}

/* The head is whole: whose is it to serve? */
static bool begin_call(struct proxy_client *c) {
    struct problem problem = proxy_answer_busy();
    enum turn_away_why why = AWAY_BUSY;
    enum proxy_route route = proxy_route_find(&c->ask.target, c->ask.is_tls, &c->place);
    int found = look_at_head(c, route);

    if (found != 0) {
        why = found > 0 ? AWAY_BETRAYED : AWAY_BUSY;
        problem = found > 0 ? proxy_answer_betrayed() : problem;
    } else if (route == ROUTE_PLAIN || route == ROUTE_TLS) {
        why = AWAY_SCHEME;
        problem = proxy_answer_scheme(route, c->place);
    } else if (route == ROUTE_LEASE) {
        c->call = call_lease(c->place->door, &c->caller, call_is_answered, c);
    } else if (c->ask.is_tls && !c->ask.is_connect) {
        why = AWAY_MALFORMED;
        problem = proxy_answer_connect();
    } else {
        c->call = call_way(connect_target_host(&c->ask.target), c->ask.target.port, !c->ask.is_connect, &c->caller,
                           call_is_answered, c);
    }
    if (!c->call) {
        client_turn_away(c, why, &problem);
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
    refuse_head(c, problem);
    return false;
}

/* What it says meanwhile stays in the kernel. */
static bool wait_call(struct proxy_client *c) {
    (void)c;
    return true;
}

static bool wait_switch(struct proxy_client *c) {
    while (c->left.n > 0) {
        ssize_t n = stream_write(&c->stream, &c->left, 1);

        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            client_gone(c);
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
    set_state(c, PROXY_WAIT_GREETING, TIMEOUT_HANDSHAKE);
    return wait_greeting(c);
}

static bool begin_handshake(struct proxy_client *c) {
    struct tls_terminator *terminator = proxy_terminator(connect_target_host(&c->ask.target));

    if (!terminator || tls_terminate(&c->stream, terminator) < 0) {
        client_fail(c, AWAY_BUSY, 0, "there is no certificate for this lease's host, or no memory for a handshake");
        return false;
    }
    set_state(c, PROXY_WAIT_HANDSHAKE, TIMEOUT_HANDSHAKE);
    return wait_handshake(c);
}

/* What is no TLS is told so in HTTP, which may well be what whoever sends it speaks. */
static bool wait_greeting(struct proxy_client *c) {
    _uninitialised_ char came[READ_FIRST];
    ssize_t n = recv(c->stream.fd, came, sizeof(came), MSG_PEEK | MSG_DONTWAIT);
    struct problem problem = proxy_answer_not_tls(c->place);
    enum turn_away_why why = AWAY_NOT_TLS;

    if (n < 0 && errno == EAGAIN) {
        watch_not_ready(&c->stream.watch, EPOLLIN);
        return true;
    }
    if (n <= 0) {
        client_gone(c);
        return false;
    }
    if (came[0] == TLS_FIRST[0])
        return begin_handshake(c);
    if (proxy_turn_look(slice_of(came, (size_t)n)) > 0) {
        problem = proxy_answer_betrayed();
        why = AWAY_BETRAYED;
    }
    tell_unserved(c, why, problem.status, problem.reason.p);
    give_back(c, PROXY_SERVED, 0, "");
    client_refuse(c, &problem);
    return false;
}

/* In words, of what the client said; or it said nothing, and left. */
static void tls_failed(struct proxy_client *c) {
    if (tls_terminate_is_distrusted(&c->stream))
        client_fail(c, AWAY_DISTRUSTED, 0,
                    "the client does not trust the certificate of this lease (does it pin its own?)");
    else if (tls_terminate_is_closed(&c->stream))
        client_gone(c);
    else
        client_fail(c, AWAY_NOT_TLS, 403, tls_failure(&c->stream));
}

static bool wait_handshake(struct proxy_client *c) {
    int r = tls_handshake(&c->stream);

    if (r == -EAGAIN)
        return true;
    if (r < 0) {
        tls_failed(c);
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
    if (n == 0 || (n < 0 && c->place->is_own))
        client_gone(c);
    else if (n < 0)
        tls_failed(c);
    else
        serve_lease(c, &c->place->inside);
    return false;
}

/* Not a byte of it has left, and none will. */
static void cut(struct proxy_client *c, const char *reason) {
    struct problem problem = {.status = 403,
                              .rule = SLICE("egress.allow"),
                              .reason = slice_of_string(reason),
                              .hint = proxy_outcome_hint(PROXY_NOT_TLS)};
    bool is_tls = slice_starts_with(buf_slice(&c->in), SLICE(TLS_FIRST));
    bool is_betrayed = proxy_turn_look(buf_slice(&c->in)) > 0;
    struct slice alert = proxy_hello_alert(&c->hello);

    if (is_betrayed)
        problem = proxy_answer_betrayed();
    give_back(c, is_betrayed ? PROXY_BETRAYED : PROXY_NOT_TLS, 403, problem.reason.p);
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
            client_gone(c);
            return false;
        }
        count_hello(c, buf_length(&c->in));
        if (long_hellos > LIMIT_CLIENT_HELLOS && !WEAKENED(HELLOS)) {
            client_end(c, "too many ClientHellos that are longer than usual wait for their rest");
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
        client_gone(c);
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
        refuse_head(c, problem);
    else if (c->state == PROXY_WAIT_HANDSHAKE)
        client_fail(c, AWAY_MALFORMED, 408, states[c->state].late);
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
