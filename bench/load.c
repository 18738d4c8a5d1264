/*
 * The benchmark's load: GETs one path, again and again, on a number of streams that stay open; one request at a time on
 * each. Which way the streams go is transport.h's business.
 *
 *     load WAY PLACE CA-FILE STREAMS WARM-UP REQUESTS MILLISECONDS PATH [PEOPLE [reopen]]
 *
 * It opens the streams, sends WARM-UP requests and writes the line "ready". For each line that it is given then it
 * sends requests, at most REQUESTS (0: any number) and none that begins after MILLISECONDS, and writes what it saw as a
 * line of JSON. Its streams stay open until its standard input ends: whoever measures can look at all processes before
 * and after. With PEOPLE the requests are a front's, of so many people in turn. Any answer but a whole 200 ends it with
 * a complaint: a failing server is not a fast one. With `reopen` a stream may end before an answer has begun: it is
 * opened again and the request is sent again, as fronts do, and the time for it counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/macros.h"
#include "base/num.h"
#include "client.h"
#include "transport.h"

#define READ_SIZE (64 * 1024)
#define PATIENCE_MS 30000

struct connection {
    struct transport transport;
    struct slice request; /* under way */
    uint64_t began_ns;
    uint64_t body_left;
    size_t n; /* bytes in `in` of a head that is not whole yet */
    bool is_in_body;
    char in[READ_SIZE];
};

static struct {
    struct connection *connections;
    struct slice *requests; /* taken in turn */
    size_t n_requests, next_request;
    size_t n_streams;
    int epoll;
    uint64_t to_begin, deadline_ns; /* of the run: how many requests may still begin, and until when */
    uint64_t n_bytes;
    size_t n_active;
    const struct target *target;
    bool may_reopen;
    size_t n_reopened;
} load;

static void open_stream(struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    int r = transport_open(&c->transport, load.target);

    if (r < 0)
        client_fail("stream", r);
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->transport.fd, &event) < 0)
        client_fail("epoll", -errno);
}

/* The server has closed it; a request that is under way goes out again. */
static void reopen_stream(struct connection *c, int error) {
    int r = 0;

    if (!load.may_reopen || c->is_in_body || c->n > 0)
        client_fail("the stream ended", error < 0 ? error : -ECONNRESET);
    transport_close(&c->transport);
    open_stream(c);
    load.n_reopened++;
    if (c->request.n > 0)
        r = transport_write(&c->transport, c->request);
    if (r < 0)
        client_fail("request", r);
}

static void begin_request(struct connection *c, uint64_t now) {
    int r;

    c->request = slice_of(NULL, 0);
    if (load.to_begin == 0 || now >= load.deadline_ns)
        return;
    load.to_begin--;
    load.n_active++;
    c->began_ns = now;
    c->request = load.requests[load.next_request];
    load.next_request = (load.next_request + 1) % load.n_requests;
    r = transport_write(&c->transport, c->request);
    if (r < 0)
        reopen_stream(c, r);
}

static void end_request(struct connection *c) {
    uint64_t now = client_now_ns();

    c->is_in_body = false;
    load.n_active--;
    latency_add(now - c->began_ns);
    begin_request(c, now);
}

/* The value of Content-Length, in either of the spellings that servers here have; NULL without. */
static const char *length_in(const char *head, size_t n) {
    static const char *const names[] = {"\r\nContent-Length: ", "\r\ncontent-length: "};
    const char *field = NULL;

    for (size_t i = 0; i < ARRAY_LEN(names) && !field; i++)
        field = memmem(head, n, names[i], strlen(names[i]));
    return field ? field + strlen(names[0]) : NULL;
}

/* The head in `in`, when it is whole: a 200 with a length, whose first bytes of body may be there as well. */
static void take_head(struct connection *c) {
    const char *end = memmem(c->in, c->n, "\r\n\r\n", 4), *field, *value_end;
    size_t head;

    if (!end && c->n == sizeof(c->in))
        client_fail("a head without end", -EPROTO);
    if (!end)
        return;
    head = (size_t)(end - c->in) + 4;
    field = length_in(c->in, head);
    if (memcmp(c->in, "HTTP/1.1 200", 12) != 0 || !field) {
        (void)fprintf(stderr, "%.*s", (int)c->n, c->in);
        client_fail("not a 200 with a length", -EPROTO);
    }
    value_end = memchr(field, '\r', (size_t)(c->in + head - field));
    if (num_parse(slice_of(field, (size_t)(value_end - field)), INT64_MAX, &c->body_left) < 0)
        client_fail("a bad length", -EPROTO);
    if (c->n - head > c->body_left)
        client_fail("more than was declared", -EPROTO);
    c->body_left -= c->n - head;
    load.n_bytes += c->n - head;
    c->is_in_body = true;
    c->n = 0;
}

static void take_bytes(struct connection *c, size_t n) {
    if (c->is_in_body) {
        if (n > c->body_left)
            client_fail("more than was declared", -EPROTO);
        c->body_left -= n;
        load.n_bytes += n;
    } else {
        c->n += n;
        take_head(c);
    }
    if (c->is_in_body && c->body_left == 0)
        end_request(c);
}

/* A stream that has something: read until it has not, or, without TLS, until a read came back short (epoll(7), Q9). */
static void read_stream(struct connection *c) {
    for (;;) {
        size_t room = sizeof(c->in) - c->n;
        ssize_t n = transport_read(&c->transport, c->in + c->n, room);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            reopen_stream(c, (int)n);
            return;
        }
        take_bytes(c, (size_t)n);
        if (!c->transport.ssl && (size_t)n < room)
            return;
    }
}

static void run(uint64_t n_requests, uint64_t for_ms) {
    struct epoll_event events[64];

    load.to_begin = n_requests > 0 ? n_requests : UINT64_MAX;
    load.deadline_ns = client_now_ns() + for_ms * 1000000U;
    load.n_bytes = 0;
    load.n_reopened = 0;
    latency_reset();
    for (size_t i = 0; i < load.n_streams; i++)
        begin_request(&load.connections[i], client_now_ns());
    while (load.n_active > 0) {
        int n = epoll_wait(load.epoll, events, ARRAY_LEN(events), PATIENCE_MS);

        if (n == 0)
            client_fail("no answer", -ETIMEDOUT);
        for (int i = 0; i < n; i++)
            read_stream(events[i].data.ptr);
    }
}

static void open_streams(void) {
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.connections = calloc(load.n_streams, sizeof(*load.connections));
    if (load.epoll < 0 || !load.connections)
        client_fail("start", -ENOMEM);
    for (size_t i = 0; i < load.n_streams; i++)
        open_stream(&load.connections[i]);
}

static void report(uint64_t wall_ns) {
    (void)printf("{\"requests\": %zu, \"bytes\": %" PRIu64 ", \"reopened\": %zu, \"seconds\": %.6f, ", latency_count(),
                 load.n_bytes, load.n_reopened, (double)wall_ns / 1e9);
    latency_print();
    (void)puts("}");
    client_flush();
}

/* What a program asks of an API. */
static struct slice *plain_request(const char *path) {
    static char text[1024];
    static struct slice request;
    int n = snprintf(text, sizeof(text),
                     "GET %s HTTP/1.1\r\nHost: api.example\r\nUser-Agent: load\r\nAccept: application/json\r\n"
                     "Accept-Encoding: identity\r\nX-Request-Id: 7f3d2a90-1c5e-4b8f-9a61\r\n\r\n",
                     path);

    request = slice_of(text, MIN_OF((size_t)n, sizeof(text) - 1));
    return &request;
}

int main(int argc, char **argv) {
    struct target *target;
    uint64_t warm_up, requests, for_ms, began;
    int r;

    if (argc < 9 || argc > 11 || (argc == 11 && strcmp(argv[10], "reopen") != 0)) {
        (void)fprintf(stderr,
                      "usage: load WAY PLACE CA-FILE STREAMS WARM-UP REQUESTS MILLISECONDS PATH [PEOPLE [reopen]]\n");
        return 2;
    }
    r = target_new(argv[1], argv[2], argv[3], &target);
    if (r < 0)
        client_fail("target", r);
    load.n_streams = client_number(argv[4], UINT32_MAX);
    warm_up = client_number(argv[5], UINT32_MAX);
    requests = client_number(argv[6], UINT32_MAX);
    for_ms = client_number(argv[7], UINT32_MAX);
    load.n_requests = argc > 9 ? client_number(argv[9], UINT32_MAX) : 1;
    load.requests = argc > 9 ? people_requests(argv[8], "", load.n_requests) : plain_request(argv[8]);
    load.target = target;
    load.may_reopen = argc == 11;
    open_streams();
    if (warm_up > 0)
        run(warm_up, UINT32_MAX);
    (void)puts("ready");
    client_flush();
    while (client_line()) {
        began = client_now_ns();
        run(requests, for_ms);
        report(client_now_ns() - began);
    }
    return 0;
}
