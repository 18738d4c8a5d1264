#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/macros.h"
#include "base/num.h"

#define SAMPLES_MAX (4 * 1024 * 1024) /* latencies that are kept */
#define REQUEST_MAX 1024

static uint32_t *samples;
static size_t n_samples, n_latencies;

void client_fail(const char *what, int error) {
    (void)fprintf(stderr, "bench client: %s: %s\n", what, strerror(-error));
    exit(EXIT_FAILURE);
}

uint64_t client_now_ns(void) {
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

uint64_t client_number(const char *text, uint64_t max) {
    uint64_t value;

    if (!text || num_parse(slice_of_string(text), max, &value) < 0)
        client_fail(text ? text : "a number is missing", -EINVAL);
    return value;
}

char *client_line(void) {
    static char line[256];

    if (!fgets(line, sizeof(line), stdin))
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

void client_flush(void) {
    if (fflush(stdout) != 0)
        client_fail("standard output", -errno);
}

void latency_reset(void) {
    if (!samples)
        samples = malloc(SAMPLES_MAX * sizeof(*samples));
    if (!samples)
        client_fail("latencies", -ENOMEM);
    n_samples = n_latencies = 0;
}

void latency_add(uint64_t ns) {
    n_latencies++;
    if (n_samples < SAMPLES_MAX)
        samples[n_samples++] = (uint32_t)MIN_OF(ns, (uint64_t)UINT32_MAX);
}

size_t latency_count(void) {
    return n_latencies;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void latency_print(void) {
    size_t n = n_samples;

    qsort(samples, n, sizeof(*samples), by_size);
    (void)printf("\"p50_us\": %.1f, \"p99_us\": %.1f", n > 0 ? samples[n / 2] / 1e3 : 0.0,
                 n > 0 ? samples[n * 99 / 100] / 1e3 : 0.0);
}

struct slice *people_requests(const char *path, const char *fields, size_t n) {
    struct slice *requests = calloc(n, sizeof(*requests));
    char *text = requests ? calloc(n, REQUEST_MAX) : NULL;

    if (!text)
        client_fail("requests", -ENOMEM);
    for (size_t i = 0; i < n; i++, text += REQUEST_MAX) {
        int length = snprintf(text, REQUEST_MAX,
                              "GET %s HTTP/1.1\r\nHost: studio.example.org\r\nUser-Agent: bench\r\nAccept: */*\r\n"
                              "Cookie: t3_session=5f1c9a7be2d04836a1f07c55d2e9b6c4\r\nX-Forwarded-For: 192.0.2.10\r\n"
                              "X-Forwarded-Proto: https\r\nX-authentik-username: person-%zu\r\n%s\r\n",
                              path, i, fields);

        if (length < 0 || length >= REQUEST_MAX)
            client_fail("a request that is too long", -E2BIG);
        requests[i] = slice_of(text, (size_t)length);
    }
    return requests;
}

int client_connect(uint16_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        client_fail("connect", -errno);
    return fd;
}
