#include "egress/door/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* asm-generic/socket.h, since 6.5 */
#endif

static struct listener *listeners;
static unsigned n_clients; /* of all of them */
static struct timer retry;

/*
 * A client that is gone without a word shows itself when it is asked; otherwise what was asked for in its name would
 * be waited for. (One that has only shut its own side answers, and is waited for.)
 */
static void set_tcp(int fd) {
    static const struct {
        int level, name, value;
    } options[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                   {SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_CALLER / 1000},
                   {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_CALLER / 1000}};

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

/* The whole of 127.0.0.0/8 comes here; another address than the one that is meant has ports of its own. */
static bool is_this_machine(const struct sockaddr_in *end) {
    return end->sin_family == AF_INET && end->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

/*
 * The ports at both ends, as the client sees them. They tell the connection from every other, for whoever asks the
 * kernel about it, only because both addresses are 127.0.0.1.
 */
static int know_tcp(int fd, struct caller *ret) {
    struct sockaddr_in from = {0}, to = {0};
    socklen_t from_n = sizeof(from), to_n = sizeof(to);

    if (getpeername(fd, (struct sockaddr *)&from, &from_n) < 0 || getsockname(fd, (struct sockaddr *)&to, &to_n) < 0)
        return -errno;
    if (!WEAKENED(CALLER) && !(is_this_machine(&from) && is_this_machine(&to))) {
        log_debug("a door's client is cut: its connection is not from 127.0.0.1 to 127.0.0.1");
        return -EACCES;
    }
    ret->port_from = ntohs(from.sin_port);
    ret->port_to = ntohs(to.sin_port);
    return 0;
}

/* Whoever connected, as he was then. Where the kernel gives pidfds and gives none, he is gone: then it was nobody. */
static int know_unix(int fd, struct caller *ret) {
    struct ucred user = {0};
    socklen_t size = sizeof(user);
    int pidfd = -EBADF;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size) < 0)
        return -errno;
    size = sizeof(pidfd);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
        ret->pidfd = pidfd;
    ret->pid = ret->pidfd >= 0 || errno == ENOPROTOOPT ? user.pid : 0;
    return 0;
}

static int accept_one(struct listener *listener, struct caller *ret) {
    _cleanup_close_ int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int r;

    *ret = (struct caller){.pidfd = -EBADF};
    if (fd < 0)
        return -errno;
    if (listener->kind != DOOR_KIND_SOCKET)
        set_tcp(fd);
    r = listener->kind == DOOR_KIND_SOCKET ? know_unix(fd, ret) : know_tcp(fd, ret);
    return r < 0 ? -ECONNABORTED : fd_steal(&fd); /* gone again, or cut */
}

/* What goes wrong with one connection, and not with accepting. */
static bool is_its_own_fault(int error) {
    return error == -ECONNABORTED || error == -EINTR || error == -EPROTO;
}

/* At a proxy's door nobody calls before he has said what he wants. */
static bool has_room(const struct listener *listener) {
    return n_clients < LIMIT_CALLERS && (listener->kind == DOOR_KIND_PROXY || call_has_room());
}

static void accept_step(struct watch *watch) {
    struct listener *listener = container_of(watch, struct listener, watch);

    for (unsigned n = 0; n < LIMIT_ACCEPTED; n++) {
        struct caller caller;
        int fd = has_room(listener) ? accept_one(listener, &caller) : -EMFILE;

        if (fd >= 0) {
            n_clients++;
            listener->on_client(listener, fd, &caller);
            continue;
        }
        if (is_its_own_fault(fd))
            continue;
        listener->has_waiting = fd != -EAGAIN;
        if (listener->has_waiting) /* EMFILE, ENFILE, ENOMEM: until somebody has gone */
            timer_set(&retry, RETRY_CALLERS);
        return;
    }
    watch_again(watch);
}

static void accept_waiting(void) {
    for (struct listener *listener = listeners; listener; listener = listener->next)
        if (listener->has_waiting)
            watch_again(&listener->watch);
}

static void look_again(struct timer *timer) {
    (void)timer;
    accept_waiting();
}

int listener_init(struct listener *listener, int fd, enum door_kind kind,
                  void (*on_client)(struct listener *listener, int fd, const struct caller *caller), void *owner) {
    int r;

    *listener = (struct listener){.fd = fd, .kind = kind, .on_client = on_client, .owner = owner, .next = listeners};
    retry.on_expiry = look_again;
    call_set_on_room(accept_waiting);
    r = watch_add(&listener->watch, fd, accept_step);
    if (r < 0)
        fd_close(&listener->fd);
    else
        listeners = listener;
    return r;
}

void listener_done(struct listener *listener) {
    for (struct listener **at = &listeners; *at; at = &(*at)->next)
        if (*at == listener) {
            *at = listener->next;
            break;
        }
    if (!listeners)
        timer_cancel(&retry);
    watch_remove(&listener->watch);
    fd_close(&listener->fd);
}

void listener_left(void) {
    n_clients--;
    accept_waiting();
}
