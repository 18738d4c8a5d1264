/*
 * The floor: bytes from one socket to another and back, with epoll, without parsing, without TLS. What two copies
 * through one more process cost at the least, and so what a broker on a plain upstream and a dispatcher are held
 * against.
 *
 *     floor-pump PLACE UPSTREAM
 *
 * Each is a path or a port on loopback. It has no buffer while nothing waits. For the benchmark only: it ends when it is
 * killed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/num.h"

struct side {
    int fd;
    bool is_ended; /* no more comes from it */
    struct side *peer;
    char *waiting; /* what was read here and the peer has not taken */
    size_t start, end;
};

static int epoll;
static char bytes[256 * 1024]; /* more than a loopback's socket holds of large messages at a time */

union place {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

static union place upstream;

static socklen_t size_of(const union place *place) {
    return place->any.sa_family == AF_UNIX ? sizeof(place->un) : sizeof(place->in);
}

static void need(int result, const char *what) {
    if (result >= 0)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static struct side *add_side(int fd) {
    struct side *side = calloc(1, sizeof(*side));
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = side};

    need(side ? 0 : -1, "calloc");
    side->fd = fd;
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    return side;
}

/* False when nobody else waits. */
static bool accept_pair(int listener) {
    int one = 1, server, client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct side *a, *b;

    if (client < 0 && errno == EAGAIN)
        return false;
    need(client, "accept");
    server = socket(upstream.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(connect(server, &upstream.any, size_of(&upstream)), "connect");
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* a unix socket has no such thing */
    (void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    a = add_side(client);
    b = add_side(server);
    a->peer = b;
    b->peer = a;
    return true;
}

/* A unix socket becomes writable, and wakes us, whenever its peer has read: asked for only by who is waiting for it. */
static void wait_for_room(struct side *side) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET, .data.ptr = side};

    need(epoll_ctl(epoll, EPOLL_CTL_MOD, side->fd, &event), "epoll_ctl");
}

static void end_side(struct side *side) {
    side->is_ended = true;
    (void)shutdown(side->peer->fd, SHUT_WR);
}

static void keep(struct side *side, const char *rest, size_t n) {
    side->waiting = malloc(n);
    need(side->waiting ? 0 : -1, "malloc");
    memcpy(side->waiting, rest, n);
    side->start = 0;
    side->end = n;
    wait_for_room(side->peer);
}

/* What waits goes first. False while the peer takes no more. */
static bool flush(struct side *side) {
    ssize_t n;

    if (!side->waiting)
        return true;
    n = send(side->peer->fd, side->waiting + side->start, side->end - side->start, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        side->start += (size_t)n;
    if (n < 0 && errno != EAGAIN)
        side->start = side->end; /* nobody is there to take it */
    if (side->start < side->end)
        return false;
    free(side->waiting);
    side->waiting = NULL;
    return true;
}

/*
 * Until there is no more to read, or the peer takes no more: then its next event goes on. A short read is the last one,
 * where no end has been told (epoll(7), Q9).
 */
static void pump(struct side *side, bool may_be_short) {
    while (!side->is_ended && flush(side)) {
        ssize_t sent, n = recv(side->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            end_side(side);
            return;
        }
        sent = send(side->peer->fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < n && (sent >= 0 || errno == EAGAIN))
            keep(side, bytes + MAX_OF(sent, 0), (size_t)(n - MAX_OF(sent, 0)));
        else if (may_be_short && n < (ssize_t)sizeof(bytes))
            return;
    }
}

/* Only once no event of this turn can still name them. */
static void close_pair(struct side *side) {
    struct side *both[] = {side, side->peer};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        (void)close(both[i]->fd);
        free(both[i]->waiting);
        free(both[i]);
    }
}

static union place read_place(const char *text) {
    union place place = {.un = {.sun_family = AF_UNIX}};
    uint64_t port;

    if (text[0] == '/' ? strlen(text) >= sizeof(place.un.sun_path)
                       : num_parse(slice_of_string(text), UINT16_MAX, &port) < 0)
        exit(2);
    if (text[0] == '/')
        memcpy(place.un.sun_path, text, strlen(text) + 1);
    else
        place.in = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return place;
}

static int listen_at(const char *text) {
    union place place = read_place(text);
    int one = 1, fd = socket(place.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    need(fd, "socket");
    need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "setsockopt");
    need(bind(fd, &place.any, size_of(&place)), "bind");
    need(listen(fd, SOMAXCONN), "listen");
    return fd;
}

static void turn(const struct epoll_event *events, int n, int listener) {
    struct side *ended[64];
    size_t n_ended = 0;

    for (int i = 0; i < n; i++) {
        struct side *side = events[i].data.ptr;

        if (!side) {
            while (accept_pair(listener))
                ;
            continue;
        }
        if (side->is_ended && side->peer->is_ended)
            continue; /* in `ended` already */
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            pump(side, (events[i].events & ~(uint32_t)EPOLLOUT) == EPOLLIN);
        if ((events[i].events & EPOLLOUT) && side->peer->waiting)
            pump(side->peer, false);
        if (side->is_ended && side->peer->is_ended)
            ended[n_ended++] = side;
    }
    while (n_ended > 0)
        close_pair(ended[--n_ended]);
}

int main(int argc, char **argv) {
    struct epoll_event events[64], incoming = {.events = EPOLLIN, .data.ptr = NULL};
    int listener;

    if (argc != 3)
        return 2;
    upstream = read_place(argv[2]);
    listener = listen_at(argv[1]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &incoming), "epoll_ctl");
    for (;;) {
        int n = epoll_wait(epoll, events, ARRAY_LEN(events), -1);

        turn(events, n, listener);
    }
}
