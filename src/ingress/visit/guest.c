#include "ingress/visit/guest.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/visit/passage.h"
#include "ingress/visit/probe.h"
#include "ingress/visit/visit.h"

#define RETRY_ACCEPT 100 /* ms, when there was no descriptor or no memory left */

struct guest {
    struct guest *next, *prev; /* in the order in which they came */
    struct connection connection;
    struct visit visit;
    struct peer peer;
    char peer_text[ADDRESS_TEXT_MAX];
};

struct listener {
    struct watch watch;
    enum listener_kind kind;
    int fd;
    bool has_waiting; /* somebody may wait to be accepted */
};

static struct {
    struct guest *first, *last;
    unsigned n, max;
    struct listener listeners[LIMIT_INHERITED];
    size_t n_listeners;
    struct timer retry;
} guests = {.max = 128};

int guests_prepare(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    /* each may have an instance's connection beside its own */
    if (limit.rlim_cur > 2 * LIMIT_RESERVED_FDS)
        guests.max = (unsigned)MIN_OF((limit.rlim_cur - LIMIT_RESERVED_FDS) / 2, (rlim_t)INT32_MAX);
    return 0;
}

unsigned guests_count(void) {
    return guests.n;
}

unsigned guests_share(void) {
    return MAX_OF(guests.max / 4, 32U);
}

static void take_out(struct guest *g) {
    *(g->prev ? &g->prev->next : &guests.first) = g->next;
    *(g->next ? &g->next->prev : &guests.last) = g->prev;
}

static void put_last(struct guest *g) {
    g->next = NULL;
    g->prev = guests.last;
    *(g->prev ? &g->prev->next : &guests.first) = g;
    guests.last = g;
}

static void accept_waiting(void) {
    for (size_t i = 0; i < guests.n_listeners; i++)
        if (guests.listeners[i].has_waiting)
            watch_again(&guests.listeners[i].watch);
}

static void guest_free(struct guest *g) {
    take_out(g);
    guests.n--;
    world_count()->open_connections--;
    visit_done(&g->visit);
    free(g);
    accept_waiting();
    if (world.gone)
        world.gone();
}

static struct guest *guest_of(struct connection *c) {
    return container_of(c, struct guest, connection);
}

static int explain(struct connection *c, const struct refusal *refusal, struct exchange_words *ret) {
    return visit_explain(&guest_of(c)->visit, refusal, ret);
}

static void closed(struct connection *c) {
    guest_free(guest_of(c));
}

static void switched(struct connection *c) {
    struct guest *g = guest_of(c);

    visit_switch(&g->visit, c);
    connection_done(c);
    guest_free(g);
}

/* The last answer is cut, and visibly so. */
static void cut(struct guest *g) {
    connection_done(&g->connection);
    guest_free(g);
}

/* Nothing is under way, and nothing of a request has come: the kernel knows what the loop has not been told yet. */
static bool is_idle(const struct guest *g) {
    char byte;

    return g->connection.state == WAIT_REQUEST && buf_is_empty(&g->connection.in) && buf_is_empty(&g->connection.out) &&
           recv(g->connection.client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* A stranger gets no more than a word of ours: what he has half said keeps nobody out. */
static bool gives_way(const struct guest *g) {
    return !g->peer.is_trusted || is_idle(g);
}

/* Whoever came first and is idle, or a stranger, makes room for somebody who wants something. */
static bool make_room(void) {
    if (guests.n + passages_count() + probe_count() < guests.max)
        return true;
    for (struct guest *g = WEAKENED(ROOM) ? NULL : guests.first; g; g = g->next)
        if (gives_way(g)) {
            cut(g);
            return true;
        }
    return false;
}

void guests_admit(int fd, const struct peer *peer) {
    static const struct connection_owner owner = {
        .rules = &world.rules, .timeouts = &world.timeouts, .explain = explain, .closed = closed, .switched = switched};
    struct guest *g = make_room() ? malloc(sizeof(*g)) : NULL;

    if (!g) {
        fd_close(&fd);
        return;
    }
    g->peer = *peer;
    g->peer.is_trusted = front_trusts(&world.front, peer);
    g->peer.text = slice_of(g->peer_text, peer_format(peer, g->peer_text));
    visit_init(&g->visit, &g->peer, g->peer.text, &g->connection.exchange);
    put_last(g);
    guests.n++;
    world_count()->open_connections++;
    world_count()->connections++;
    if (connection_init(&g->connection, fd, &g->visit.upstream, &owner) < 0)
        guest_free(g);
}

/* Who is at the other end, as the kernel says. */
static int accept_one(const struct listener *l, struct peer *ret) {
    struct ucred user;
    socklen_t size = sizeof(user);
    _cleanup_close_ int fd = -EBADF;

    *ret = (struct peer){.kind = l->kind == LISTENER_UNIX ? PEER_UNIX : PEER_ADDRESS};
    ret->address.n = sizeof(ret->address.in6);
    fd = l->kind == LISTENER_UNIX ? accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)
                                  : accept4(l->fd, &ret->address.any, &ret->address.n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (l->kind == LISTENER_UNIX) {
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size) < 0)
            return -ECONNABORTED;
        ret->uid = user.uid;
    }
    return fd_steal(&fd);
}

/* What goes wrong with one connection, and not with accepting. */
static bool is_its_own_fault(int error) {
    return error == -ECONNABORTED || error == -EINTR || error == -EPROTO;
}

static void accept_step(struct watch *watch) {
    struct listener *l = container_of(watch, struct listener, watch);

    for (unsigned n = 0; n < LIMIT_ACCEPTED; n++) {
        struct peer peer;
        int fd = make_room() ? accept_one(l, &peer) : -EMFILE;

        if (fd >= 0) {
            guests_admit(fd, &peer);
            continue;
        }
        if (is_its_own_fault(fd))
            continue;
        l->has_waiting = fd != -EAGAIN;
        if (l->has_waiting) /* EMFILE, ENFILE, ENOMEM: until somebody has gone */
            timer_set(&guests.retry, RETRY_ACCEPT);
        return;
    }
    watch_again(watch);
}

static void look_again(struct timer *timer) {
    (void)timer;
    accept_waiting();
}

int guests_listen(enum listener_kind kind, int fd) {
    struct listener *l = &guests.listeners[guests.n_listeners];
    int one = 1;

    if (guests.n_listeners == LIMIT_INHERITED || world.is_draining) {
        fd_close(&fd);
        return world.is_draining ? 0 : -ENOBUFS;
    }
    if (kind == LISTENER_TCP) /* what is accepted here has it from here: heads and bodies come whole */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *l = (struct listener){.kind = kind, .fd = fd};
    guests.retry.on_expiry = look_again;
    guests.n_listeners++;
    return watch_add(&l->watch, fd, accept_step);
}

/* What was under way and is ended from here. */
static void end_one(struct guest *g, enum visit_ending ending) {
    if (ending == VISIT_CUT)
        cut(g);
    else if (ending == VISIT_ANSWERED)
        connection_step(&g->connection);
}

void guests_front(void) {
    for (struct guest *g = guests.first; g; g = g->next)
        g->peer.is_trusted = front_trusts(&world.front, &g->peer);
}

void guests_table(void) {
    for (struct guest *g = guests.first, *next; g; g = next) {
        next = g->next;
        end_one(g, visit_table(&g->visit));
    }
}

static void close_idle(uint64_t since_ms) {
    for (struct guest *g = guests.first, *next; g; g = next) {
        next = g->next;
        if (g->visit.active_ms <= since_ms && is_idle(g))
            cut(g);
    }
}

static void grace_over(struct timer *timer) {
    (void)timer;
    close_idle(UINT64_MAX);
}

/*
 * Whoever has just come, or has just asked, may have a request on its way: it gets its answer, and with it the word that
 * the connection closes.
 */
void guests_drain(void) {
    for (size_t i = 0; i < guests.n_listeners; i++) {
        watch_remove(&guests.listeners[i].watch);
        fd_close(&guests.listeners[i].fd);
    }
    guests.n_listeners = 0;
    guests.retry.on_expiry = grace_over;
    timer_set(&guests.retry, DRAIN_GRACE);
    close_idle(loop_now_ms() - DRAIN_GRACE);
}

void guests_end(void) {
    for (struct guest *g = guests.first, *next; g; g = next) {
        next = g->next;
        if (visit_is_idle(&g->visit))
            cut(g);
        else
            end_one(g, visit_stop(&g->visit));
    }
}
