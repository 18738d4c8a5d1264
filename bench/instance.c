/*
 * The instances behind the dispatcher and its peers: one process, as quick as it can be, for its cost is everybody's.
 *
 *     instance PORT...
 *
 * GET /128, /16k and /10m answer with so many bytes, /api/auth/session with what a t3 instance says there; a WebSocket
 * at /ws echoes what it is sent, frame by frame, if its mask is zero. Anything else is a 404. Bodies of requests are
 * not known. For the benchmark only: it ends when it is killed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/num.h"
#include "client.h"

#define HEAD_MAX 4096
#define READ_SIZE (64 * 1024)
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 §1.3 */

enum kind { LISTENER, HTTP, ECHO };

struct peer {
    enum kind kind;
    int fd;
    bool is_last;      /* close when all is said */
    struct slice says; /* what is still to be sent */
    char *owned;       /* where that is in memory of its own */
    size_t n_head;     /* HTTP: of a request; ECHO: of a frame */
    uint64_t payload;  /* ECHO: what is still to come of a frame */
    char head[HEAD_MAX];
};

struct answer {
    struct slice path, bytes;
};

static int epoll;
static struct answer answers[4];

static const struct {
    const char *path, *body;
    size_t size;
} bodies[] = {
    {"/128", NULL, 128},
    {"/16k", NULL, 16 * 1024},
    {"/10m", NULL, 10 * 1024 * 1024},
    {"/api/auth/session", "{\"authenticated\":true,\"auth\":{\"sessionCookieName\":\"t3_session\"}}", 0},
};

static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

static void prepare_answers(void) {
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        size_t n_body = bodies[i].body ? strlen(bodies[i].body) : bodies[i].size, n_head;
        char *bytes = malloc(n_body + HEAD_MAX);

        if (!bytes)
            client_fail("answers", -ENOMEM);
        n_head = (size_t)snprintf(bytes, HEAD_MAX,
                                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                  n_body);
        if (bodies[i].body)
            memcpy(bytes + n_head, bodies[i].body, n_body);
        else
            memset(bytes + n_head, 'x', n_body);
        answers[i] = (struct answer){slice_of_string(bodies[i].path), slice_of(bytes, n_head + n_body)};
    }
}

static void watch(struct peer *peer) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = peer};

    if (peer->kind == LISTENER)
        event.events = EPOLLIN;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, peer->fd, &event) < 0)
        client_fail("epoll", -errno);
}

static struct peer *peer_new(enum kind kind, int fd) {
    struct peer *peer = calloc(1, sizeof(*peer));

    if (!peer || fd < 0)
        client_fail("connection", peer ? -errno : -ENOMEM);
    peer->kind = kind;
    peer->fd = fd;
    watch(peer);
    return peer;
}

static void peer_free(struct peer *peer) {
    (void)close(peer->fd);
    free(peer->owned);
    free(peer);
}

/* Sends what there is to say; false when the rest has to wait, or nobody listens. */
static bool speak(struct peer *peer) {
    while (peer->says.n > 0) {
        ssize_t n = send(peer->fd, peer->says.p, peer->says.n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
            return false;
        peer->says = slice_of(peer->says.p + n, peer->says.n - (size_t)n);
    }
    free(peer->owned);
    peer->owned = NULL;
    return true;
}

/* Says these bytes, and keeps of them what is not taken at once. */
static void say_copy(struct peer *peer, const char *bytes, size_t n) {
    peer->says = slice_of(bytes, n);
    if (speak(peer))
        return;
    n = peer->says.n;
    peer->owned = malloc(n);
    if (!peer->owned)
        client_fail("echo", -ENOMEM);
    memcpy(peer->owned, peer->says.p, n);
    peer->says = slice_of(peer->owned, n);
}

static struct slice field_of(struct slice head, struct slice name) {
    const char *p = head.p, *end = head.p + head.n;

    while ((p = memmem(p, (size_t)(end - p), "\r\n", 2))) {
        const char *stop;

        p += 2;
        stop = memmem(p, (size_t)(end - p), "\r\n", 2);
        if (!stop || stop == p)
            break;
        if ((size_t)(stop - p) > name.n && p[name.n] == ':' && slice_equals_nocase(slice_of(p, name.n), name)) {
            for (p += name.n + 1; *p == ' ';)
                p++;
            return slice_of(p, (size_t)(stop - p));
        }
    }
    return slice_of(NULL, 0);
}

static void accept_websocket(struct peer *peer, struct slice key) {
    unsigned char text[128], digest[EVP_MAX_MD_SIZE], encoded[64];
    unsigned int n_digest;
    char head[256];
    int n = snprintf((char *)text, sizeof(text), "%.*s%s", SLICE_ARG(key), GUID);

    if (n < 0 || (size_t)n >= sizeof(text) || EVP_Digest(text, (size_t)n, digest, &n_digest, EVP_sha1(), NULL) != 1)
        client_fail("handshake", -EPROTO);
    (void)EVP_EncodeBlock(encoded, digest, (int)n_digest);
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 (const char *)encoded);
    say_copy(peer, head, (size_t)n);
    peer->kind = ECHO;
    peer->n_head = 0;
}

static void answer_request(struct peer *peer, struct slice head) {
    const char *from = memchr(head.p, ' ', head.n);
    const char *to = from ? memchr(from + 1, ' ', head.n - (size_t)(from + 1 - head.p)) : NULL;
    struct slice path, key;

    if (!to)
        client_fail("a request without a target", -EPROTO);
    path = slice_of(from + 1, (size_t)(to - from - 1));
    key = field_of(head, SLICE("Sec-WebSocket-Key"));
    if (key.p && slice_equals(path, SLICE("/ws"))) {
        accept_websocket(peer, key);
        return;
    }
    peer->is_last = slice_equals_nocase(field_of(head, SLICE("Connection")), SLICE("close"));
    peer->says = slice_of(not_found, sizeof(not_found) - 1);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        if (slice_equals(path, answers[i].path))
            peer->says = answers[i].bytes;
    (void)speak(peer);
}

/* One request after the other: whoever asks waits for the answer. */
static void take_request(struct peer *peer, const char *bytes, size_t n) {
    struct slice head;
    const char *end;

    if (n > sizeof(peer->head) - peer->n_head)
        client_fail("a head that is too long", -E2BIG);
    memcpy(peer->head + peer->n_head, bytes, n);
    peer->n_head += n;
    end = memmem(peer->head, peer->n_head, "\r\n\r\n", 4);
    if (!end)
        return;
    head = slice_of(peer->head, (size_t)(end - peer->head) + 4);
    if (head.n != peer->n_head)
        client_fail("more than one request", -EPROTO);
    peer->n_head = 0;
    answer_request(peer, head);
}

/* The header of a frame, when it is whole; back goes the same without its mask. Bytes written to `out`, or 0. */
static size_t take_frame_header(struct peer *peer, unsigned char *out) {
    const unsigned char *h = (const unsigned char *)peer->head;
    size_t n_length = (h[1] & 0x7f) == 127 ? 8 : (h[1] & 0x7f) == 126 ? 2 : 0;

    if (peer->n_head < 2 || peer->n_head < 2 + n_length + 4)
        return 0;
    if (!(h[1] & 0x80) || memcmp(h + 2 + n_length, "\0\0\0\0", 4) != 0)
        client_fail("a mask that is not zero", -EPROTO);
    peer->payload = n_length > 0 ? 0 : h[1] & 0x7f;
    for (size_t i = 0; i < n_length; i++)
        peer->payload = peer->payload << 8 | h[2 + i];
    memcpy(out, h, 2 + n_length);
    out[1] &= 0x7f;
    peer->n_head = 0;
    return 2 + n_length;
}

static void take_frames(struct peer *peer, const char *bytes, size_t n) {
    static unsigned char out[READ_SIZE];
    size_t n_out = 0;

    /* never longer than what came: headers lose their masks, but one that came in two parts is made of both */
    for (size_t at = 0; at < n;) {
        size_t part = MIN_OF(peer->payload, n - at);

        if (part > 0) {
            memcpy(out + n_out, bytes + at, part);
            peer->payload -= part;
            at += part;
            n_out += part;
        } else {
            peer->head[peer->n_head++] = bytes[at++];
            n_out += take_frame_header(peer, out + n_out);
        }
    }
    say_copy(peer, (const char *)out, n_out);
}

/* False when the peer has gone. */
static bool hear(struct peer *peer) {
    static char bytes[READ_SIZE - 16];

    while (speak(peer)) {
        ssize_t n;

        if (peer->is_last)
            return false;
        n = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        if (peer->kind == HTTP)
            take_request(peer, bytes, (size_t)n);
        else
            take_frames(peer, bytes, (size_t)n);
    }
    return errno == EAGAIN;
}

static void greet(const struct peer *listener) {
    int one = 1, fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)peer_new(HTTP, fd);
}

static void listen_at(uint16_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, SOMAXCONN) < 0)
        client_fail("listen", -errno);
    (void)peer_new(LISTENER, fd);
}

int main(int argc, char **argv) {
    struct epoll_event events[64];

    prepare_answers();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 1; i < argc; i++)
        listen_at((uint16_t)client_number(argv[i], UINT16_MAX));
    for (;;) {
        int n = epoll_wait(epoll, events, ARRAY_LEN(events), -1);

        for (int i = 0; i < n; i++) {
            struct peer *peer = events[i].data.ptr;

            if (peer->kind == LISTENER)
                greet(peer);
            else if (!hear(peer))
                peer_free(peer);
        }
    }
}
