/*
 * The floor: bytes from a unix socket to a TCP port on loopback and back, with epoll, without parsing, without TLS.
 * What two copies through one more process cost at the least, and so what a broker on a plain upstream is held against.
 *
 *     floor-pump SOCKET PORT
 *
 * For the benchmark only: it never closes what a run has opened, and ends when it is killed.
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

#include "base/macros.h"
#include "base/num.h"

struct side {
    int fd;
    struct side *peer;
    size_t start, end; /* what was read here and has not been written to the peer */
    char bytes[64 * 1024];
};

static int epoll;
static struct sockaddr_in upstream = {.sin_family = AF_INET};

static void need(int result, const char *what) {
    if (result >= 0)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static struct side *add_side(int fd) {
    struct side *side = calloc(1, sizeof(*side));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = side};

    need(side ? 0 : -1, "calloc");
    side->fd = fd;
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    return side;
}

static void accept_pair(int listener) {
    int one = 1, client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct side *a, *b;

    need(client, "accept");
    need(connect(server, (const struct sockaddr *)&upstream, sizeof(upstream)), "connect");
    need(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "setsockopt");
    a = add_side(client);
    b = add_side(server);
    a->peer = b;
    b->peer = a;
}

/* A unix socket becomes writable, and wakes us, whenever its peer has read: asked for only by who is waiting for it. */
static void wait_for_room(struct side *side) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = side};

    need(epoll_ctl(epoll, EPOLL_CTL_MOD, side->fd, &event), "epoll_ctl");
}

/* Until there is no more to read, or the peer takes no more: then its next event goes on. */
static void pump(struct side *side) {
    for (;;) {
        ssize_t n;

        if (side->start == side->end) {
            n = recv(side->fd, side->bytes, sizeof(side->bytes), MSG_DONTWAIT);
            if (n <= 0)
                return;
            side->start = 0;
            side->end = (size_t)n;
        }
        n = send(side->peer->fd, side->bytes + side->start, side->end - side->start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            wait_for_room(side->peer);
            return;
        }
        side->start += (size_t)n;
        if (side->start == side->end && side->end < sizeof(side->bytes))
            return;
    }
}

int main(int argc, char **argv) {
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct epoll_event events[64] = {{.events = EPOLLIN, .data.ptr = NULL}};
    uint64_t port;

    if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path) ||
        num_parse(slice_of_string(argv[2]), UINT16_MAX, &port) < 0)
        return 2;
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    upstream.sin_port = htons((uint16_t)port);
    upstream.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(listener, (const struct sockaddr *)&address, sizeof(address)), "bind");
    need(listen(listener, SOMAXCONN), "listen");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]), "epoll_ctl");
    for (;;) {
        int n = epoll_wait(epoll, events, ARRAY_LEN(events), -1);

        for (int i = 0; i < n; i++) {
            struct side *side = events[i].data.ptr;

            if (!side) {
                accept_pair(listener);
                continue;
            }
            if (events[i].events & EPOLLIN)
                pump(side);
            if ((events[i].events & EPOLLOUT) && side->peer->start < side->peer->end)
                pump(side->peer);
        }
    }
}
