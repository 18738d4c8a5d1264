/*
 * Connections that carry one request each and are closed by the server.
 *
 *     connects PORT AT-ONCE MILLISECONDS PATH PEOPLE
 *
 * It writes the line "ready". For each line that it is given it keeps so many connections under way, as a front of so
 * many people does that keeps none, begins none after MILLISECONDS, and writes what it saw as a line of JSON. Any
 * answer but a 200 ends it with a complaint.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "client.h"

#define AT_ONCE_MAX 1024
#define PATIENCE_MS 30000

struct connection {
    int fd;
    bool is_answered;
    uint64_t began_ns;
};

static struct connection connections[AT_ONCE_MAX];
static struct slice *requests;
static size_t n_requests, next_request, n_active;
static uint64_t deadline_ns;
static uint16_t port;
static int epoll;

static void begin(struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    struct slice request = requests[next_request];
    uint64_t now = client_now_ns();

    if (now >= deadline_ns)
        return;
    next_request = (next_request + 1) % n_requests;
    *c = (struct connection){.fd = client_connect(port), .began_ns = now};
    if (send(c->fd, request.p, request.n, MSG_NOSIGNAL) != (ssize_t)request.n)
        client_fail("request", -errno);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        client_fail("epoll", -errno);
    n_active++;
}

static void end(struct connection *c) {
    if (!c->is_answered)
        client_fail("a connection without an answer", -ECONNRESET);
    (void)close(c->fd);
    latency_add(client_now_ns() - c->began_ns);
    n_active--;
    begin(c);
}

static void hear(struct connection *c) {
    static char bytes[64 * 1024];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        client_fail("answer", -errno);
    if (n > 0 && !c->is_answered && (n < 12 || memcmp(bytes, "HTTP/1.1 200", 12) != 0))
        client_fail("not a 200", -EPROTO);
    c->is_answered = c->is_answered || n > 0;
    if (n == 0)
        end(c);
}

static void run(size_t at_once, uint64_t for_ms) {
    struct epoll_event events[64];
    uint64_t began = client_now_ns();

    latency_reset();
    deadline_ns = began + for_ms * 1000000U;
    for (size_t i = 0; i < at_once; i++)
        begin(&connections[i]);
    while (n_active > 0) {
        int n = epoll_wait(epoll, events, ARRAY_LEN(events), PATIENCE_MS);

        if (n == 0)
            client_fail("no answer", -ETIMEDOUT);
        for (int i = 0; i < n; i++)
            hear(events[i].data.ptr);
    }
    (void)printf("{\"requests\": %zu, \"seconds\": %.6f, ", latency_count(), (double)(client_now_ns() - began) / 1e9);
    latency_print();
    (void)puts("}");
    client_flush();
}

int main(int argc, char **argv) {
    size_t at_once;
    uint64_t for_ms;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: connects PORT AT-ONCE MILLISECONDS PATH PEOPLE\n");
        return 2;
    }
    port = (uint16_t)client_number(argv[1], UINT16_MAX);
    at_once = client_number(argv[2], AT_ONCE_MAX);
    for_ms = client_number(argv[3], UINT32_MAX);
    n_requests = client_number(argv[5], UINT16_MAX);
    requests = people_requests(argv[4], "Connection: close\r\n", n_requests);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        client_fail("epoll", -errno);
    (void)puts("ready");
    client_flush();
    while (client_line())
        run(at_once, for_ms);
    return 0;
}
