#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "fuzz.h"
#include "ingress/visit/probe.h"

/*
 * What a client sends to /probe/ws: as much of it as the first byte says comes early, the rest over the socket. It ends,
 * and what came back begins like a frame that a server sends: no reserved bit, not masked.
 */
static unsigned char answer[65536];
static ssize_t n_first;

static void on_done(void) {
    loop_stop();
}

static void nothing(struct watch *watch) {
    (void)watch;
}

/* The client takes what it is sent. */
static void hear(struct watch *watch) {
    ssize_t n;

    while ((n = recv(watch->fd, answer + n_first, sizeof(answer) - (size_t)n_first, MSG_DONTWAIT)) > 0)
        n_first = n_first < 2 ? n_first + n : n_first;
    watch_not_ready(watch, EPOLLIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool is_ready;
    struct slice rest = slice_of(data + 1, size > 0 ? size - 1 : 0), early;
    struct watch browser;
    struct stream client;
    int ends[2];

    if (size < 2 || size > 32768) /* which a socket takes at once */
        return 0;
    if (!is_ready)
        REQUIRE(loop_init() == 0);
    is_ready = true;
    n_first = 0;
    early = slice_first(rest, data[0]);
    rest = slice_from(rest, early.n);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE(stream_init(&client, ends[1], nothing) == 0 && watch_add(&browser, ends[0], hear) == 0);
    REQUIRE(send(ends[0], rest.p, rest.n, MSG_NOSIGNAL) == (ssize_t)rest.n);
    REQUIRE(shutdown(ends[0], SHUT_WR) == 0);
    REQUIRE(probe_start(&client, early, on_done) == 0);
    REQUIRE(loop_run() == 0 && probe_count() == 0);
    hear(&browser);
    REQUIRE(n_first < 2 || ((answer[0] & 0x70) == 0 && (answer[1] & 0x80) == 0));
    watch_remove(&browser);
    (void)close(ends[0]);
    return 0;
}
