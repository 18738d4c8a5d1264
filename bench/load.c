/*
 * The benchmark's load: GETs one path, again and again, on a number of streams that stay open; one request at a time on
 * each. Which way the streams go is transport.h's business.
 *
 *     load WAY PLACE CA-FILE STREAMS WARM-UP REQUESTS MILLISECONDS PATH
 *
 * It opens the streams, sends WARM-UP requests, writes the line "ready" and waits for a line. Then it sends requests,
 * at most REQUESTS (0: any number) and none that begins after MILLISECONDS, writes what it saw as a line of JSON, and
 * stays with its streams open until its standard input ends: whoever measures can look at all processes before and
 * after. Any answer but a whole 200 ends it with a complaint: a failing server is not a fast one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/num.h"
#include "transport.h"

#define READ_SIZE (64 * 1024)
#define PATIENCE_MS 30000
#define SAMPLES_MAX (4 * 1024 * 1024) /* latencies that are kept; more requests than that are only counted */

struct connection {
    struct transport transport;
    uint64_t began_ns;
    uint64_t body_left;
    size_t n; /* bytes in `in` of a head that is not whole yet */
    bool is_in_body;
    char in[READ_SIZE];
};

static struct {
    struct connection *connections;
    struct slice request;
    size_t n_streams;
    int epoll;
    uint64_t to_begin, deadline_ns; /* of the run: how many requests may still begin, and until when */
    uint64_t n_done, n_bytes;
    size_t n_active;
    uint32_t *latencies_ns;
    size_t n_latencies;
} load;

static void fail(const char *what, int error) {
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(-error));
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void) {
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void begin_request(struct connection *c, uint64_t now) {
    int r;

    if (load.to_begin == 0 || now >= load.deadline_ns)
        return;
    load.to_begin--;
    load.n_active++;
    c->began_ns = now;
    r = transport_write(&c->transport, load.request);
    if (r < 0)
        fail("request", r);
}

static void end_request(struct connection *c) {
    uint64_t now = now_ns(), took = now - c->began_ns;

    c->is_in_body = false;
    load.n_done++;
    load.n_active--;
    if (load.n_latencies < SAMPLES_MAX)
        load.latencies_ns[load.n_latencies++] = (uint32_t)MIN_OF(took, (uint64_t)UINT32_MAX);
    begin_request(c, now);
}

/* The head in `in`, when it is whole: a 200 with a length, whose first bytes of body may be there as well. */
static void take_head(struct connection *c) {
    static const char length_name[] = "\r\nContent-Length: ";
    const char *end = memmem(c->in, c->n, "\r\n\r\n", 4), *field, *value_end;
    size_t head;

    if (!end && c->n == sizeof(c->in))
        fail("a head without end", -EPROTO);
    if (!end)
        return;
    head = (size_t)(end - c->in) + 4;
    field = memmem(c->in, head, length_name, sizeof(length_name) - 1);
    if (memcmp(c->in, "HTTP/1.1 200", 12) != 0 || !field) {
        (void)fprintf(stderr, "%.*s", (int)c->n, c->in);
        fail("not a 200 with a length", -EPROTO);
    }
    field += sizeof(length_name) - 1;
    value_end = memchr(field, '\r', (size_t)(c->in + head - field));
    if (num_parse(slice_of(field, (size_t)(value_end - field)), INT64_MAX, &c->body_left) < 0)
        fail("a bad length", -EPROTO);
    if (c->n - head > c->body_left)
        fail("more than was declared", -EPROTO);
    c->body_left -= c->n - head;
    load.n_bytes += c->n - head;
    c->is_in_body = true;
    c->n = 0;
}

static void take_bytes(struct connection *c, size_t n) {
    if (c->is_in_body) {
        if (n > c->body_left)
            fail("more than was declared", -EPROTO);
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
        if (n <= 0)
            fail("the stream ended", n < 0 ? (int)n : -ECONNRESET);
        take_bytes(c, (size_t)n);
        if (!c->transport.ssl && (size_t)n < room)
            return;
    }
}

static void run(uint64_t n_requests, uint64_t for_ms) {
    struct epoll_event events[64];

    load.to_begin = n_requests > 0 ? n_requests : UINT64_MAX;
    load.deadline_ns = now_ns() + for_ms * 1000000U;
    load.n_done = load.n_bytes = load.n_latencies = 0;
    for (size_t i = 0; i < load.n_streams; i++)
        begin_request(&load.connections[i], now_ns());
    while (load.n_active > 0) {
        int n = epoll_wait(load.epoll, events, ARRAY_LEN(events), PATIENCE_MS);

        if (n == 0)
            fail("no answer", -ETIMEDOUT);
        for (int i = 0; i < n; i++)
            read_stream(events[i].data.ptr);
    }
}

static void open_streams(const struct target *target) {
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.connections = calloc(load.n_streams, sizeof(*load.connections));
    load.latencies_ns = malloc(SAMPLES_MAX * sizeof(*load.latencies_ns));
    if (load.epoll < 0 || !load.connections || !load.latencies_ns)
        fail("start", -ENOMEM);
    for (size_t i = 0; i < load.n_streams; i++) {
        struct connection *c = &load.connections[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        int r = transport_open(&c->transport, target);

        if (r < 0)
            fail("stream", r);
        if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->transport.fd, &event) < 0)
            fail("epoll", -errno);
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(uint64_t wall_ns) {
    size_t n = load.n_latencies;

    qsort(load.latencies_ns, n, sizeof(*load.latencies_ns), by_size);
    (void)printf("{\"requests\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"seconds\": %.6f, \"p50_us\": %.1f, "
                 "\"p99_us\": %.1f}\n",
                 load.n_done, load.n_bytes, (double)wall_ns / 1e9, n > 0 ? load.latencies_ns[n / 2] / 1e3 : 0.0,
                 n > 0 ? load.latencies_ns[n * 99 / 100] / 1e3 : 0.0);
    (void)fflush(stdout);
}

/* False at the end of the input. */
static bool wait_for_line(void) {
    char byte;
    ssize_t n;

    do
        n = read(STDIN_FILENO, &byte, 1);
    while (n == 1 && byte != '\n');
    return n == 1;
}

static uint64_t number(const char *text) {
    uint64_t value;

    if (num_parse(slice_of_string(text), UINT32_MAX, &value) < 0)
        fail(text, -EINVAL);
    return value;
}

int main(int argc, char **argv) {
    struct target *target;
    char request[1024];
    uint64_t warm_up, requests, for_ms, began;
    int n, r;

    if (argc != 9) {
        (void)fprintf(stderr, "usage: load WAY PLACE CA-FILE STREAMS WARM-UP REQUESTS MILLISECONDS PATH\n");
        return 2;
    }
    r = target_new(argv[1], argv[2], argv[3], &target);
    if (r < 0)
        fail("target", r);
    load.n_streams = number(argv[4]);
    warm_up = number(argv[5]);
    requests = number(argv[6]);
    for_ms = number(argv[7]);
    n = snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: api.example\r\nUser-Agent: load\r\nAccept: application/json\r\n"
                 "Accept-Encoding: identity\r\nX-Request-Id: 7f3d2a90-1c5e-4b8f-9a61\r\n\r\n", argv[8]);
    load.request = slice_of(request, MIN_OF((size_t)n, sizeof(request) - 1));
    open_streams(target);
    if (warm_up > 0)
        run(warm_up, UINT32_MAX);
    (void)puts("ready");
    (void)fflush(stdout);
    if (!wait_for_line())
        return 0;
    began = now_ns();
    run(requests, for_ms);
    report(now_ns() - began);
    while (wait_for_line())
        ;
    return 0;
}
