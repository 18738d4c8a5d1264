/*
 * WebSocket tunnels to an instance that echoes: many that idle, few that are busy.
 *
 *     tunnels PORT TUNNELS PEOPLE
 *
 * It opens them, as a front does for so many people in turn, and writes the line "ready". Then it obeys lines until its
 * standard input ends:
 *
 *     echo TUNNELS BYTES MILLISECONDS    one message under way on each of the first so many; a line of JSON at the end
 *
 * An echo that differs ends it with a complaint.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "client.h"

#define TUNNELS_MAX 100000
#define MESSAGE_MAX (1024 * 1024)
#define HEADER_MAX 14
#define PATIENCE_MS 30000
#define UPGRADE                                                                                                        \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://studio.example.org\r\n"

struct tunnel {
    int fd;
    size_t to_send, to_receive; /* of the message under way */
    uint64_t began_ns;
};

static struct tunnel *tunnels;
static int epoll;
static char *message; /* as it is sent: its header, and a mask of zeros */
static size_t n_message, n_echo, n_active;
static uint64_t deadline_ns;

static void open_tunnel(struct tunnel *tunnel, uint16_t port, struct slice request) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = tunnel};
    char answer[4096];
    size_t n = 0;

    tunnel->fd = client_connect(port);
    if (send(tunnel->fd, request.p, request.n, MSG_NOSIGNAL) != (ssize_t)request.n)
        client_fail("upgrade", -errno);
    while (n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0) {
        ssize_t got = recv(tunnel->fd, answer + n, sizeof(answer) - n, 0);

        if (got <= 0)
            client_fail("upgrade", got < 0 ? -errno : -ECONNRESET);
        n += (size_t)got;
    }
    if (memcmp(answer, "HTTP/1.1 101", 12) != 0)
        client_fail("not a 101", -EPROTO);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, tunnel->fd, &event) < 0)
        client_fail("epoll", -errno);
}

/* A final binary frame (RFC 6455 §5.2) of so many bytes; the echo is the same without its mask. */
static void prepare_message(size_t n) {
    unsigned char *h = calloc(1, HEADER_MAX + n);
    size_t n_length = n < 126 ? 0 : n < 65536 ? 2 : 8;

    if (!h)
        client_fail("message", -ENOMEM);
    free(message);
    h[0] = 0x82;
    h[1] = (unsigned char)(0x80 | (n_length == 0 ? n : n_length == 2 ? 126 : 127));
    for (size_t i = 0; i < n_length; i++)
        h[2 + i] = (unsigned char)(n >> 8 * (n_length - 1 - i));
    memset(h + 2 + n_length + 4, 'x', n);
    message = (char *)h;
    n_message = 2 + n_length + 4 + n;
    n_echo = 2 + n_length + n;
}

static void send_more(struct tunnel *tunnel) {
    while (tunnel->to_send > 0) {
        ssize_t n =
            send(tunnel->fd, message + n_message - tunnel->to_send, tunnel->to_send, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            client_fail("message", -errno);
        tunnel->to_send -= (size_t)n;
    }
}

static void begin_message(struct tunnel *tunnel, uint64_t now) {
    if (now >= deadline_ns)
        return;
    n_active++;
    tunnel->began_ns = now;
    tunnel->to_send = n_message;
    tunnel->to_receive = n_echo;
    send_more(tunnel);
}

/* The first byte and the length tell an echo from anything else that may come. */
static void take_echo(struct tunnel *tunnel, const char *bytes, size_t n) {
    uint64_t now;

    if (n > tunnel->to_receive || (tunnel->to_receive == n_echo && (unsigned char)bytes[0] != 0x82) ||
        (tunnel->to_receive == n && bytes[n - 1] != 'x'))
        client_fail("an echo that differs", -EPROTO);
    tunnel->to_receive -= n;
    if (tunnel->to_receive > 0)
        return;
    now = client_now_ns();
    latency_add(now - tunnel->began_ns);
    n_active--;
    begin_message(tunnel, now);
}

static void receive(struct tunnel *tunnel) {
    static char bytes[128 * 1024];

    for (;;) {
        ssize_t n = recv(tunnel->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            client_fail("a tunnel ended", n < 0 ? -errno : -ECONNRESET);
        take_echo(tunnel, bytes, (size_t)n);
    }
}

static void echo(size_t n_tunnels, size_t n_bytes, uint64_t for_ms) {
    struct epoll_event events[64];
    uint64_t began = client_now_ns();
    double seconds;

    latency_reset();
    prepare_message(n_bytes);
    deadline_ns = began + for_ms * 1000000U;
    for (size_t i = 0; i < n_tunnels; i++)
        begin_message(&tunnels[i], client_now_ns());
    while (n_active > 0) {
        int n = epoll_wait(epoll, events, ARRAY_LEN(events), PATIENCE_MS);

        if (n == 0)
            client_fail("no echo", -ETIMEDOUT);
        for (int i = 0; i < n; i++) {
            send_more(events[i].data.ptr);
            receive(events[i].data.ptr);
        }
    }
    seconds = (double)(client_now_ns() - began) / 1e9;
    (void)printf("{\"messages\": %zu, \"bytes\": %zu, \"seconds\": %.6f, ", latency_count(), latency_count() * n_bytes,
                 seconds);
    latency_print();
    (void)puts("}");
    client_flush();
}

static void obey(char *line, size_t n_open) {
    size_t n_tunnels, n_bytes;
    char *rest = line;

    if (strcmp(strsep(&rest, " "), "echo") != 0)
        client_fail(line, -EINVAL);
    n_tunnels = client_number(strsep(&rest, " "), n_open);
    n_bytes = client_number(strsep(&rest, " "), MESSAGE_MAX);
    echo(n_tunnels, n_bytes, client_number(rest, UINT32_MAX));
}

int main(int argc, char **argv) {
    struct slice *requests;
    size_t n, n_people;
    uint16_t port;
    char *line;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: tunnels PORT TUNNELS PEOPLE\n");
        return 2;
    }
    port = (uint16_t)client_number(argv[1], UINT16_MAX);
    n = client_number(argv[2], TUNNELS_MAX);
    n_people = client_number(argv[3], UINT16_MAX);
    requests = people_requests("/ws", UPGRADE, n_people);
    tunnels = calloc(n, sizeof(*tunnels));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!tunnels || epoll < 0)
        client_fail("start", -ENOMEM);
    for (size_t i = 0; i < n; i++)
        open_tunnel(&tunnels[i], port, requests[i % n_people]);
    (void)puts("ready");
    client_flush();
    while ((line = client_line()))
        obey(line, n);
    return 0;
}
