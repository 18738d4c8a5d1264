#include "egress/origin.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "names/lookup.h"
#include "net/dial.h"

/* Whatever an idle connection may be ready for but writing. */
#define ANYTHING (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct warm {
    struct warm *next;
    struct client client;
    struct origin *origin;
};

struct origin {
    const struct held *held;
    uint64_t connect_timeout_ms;
    struct tls_sessions sessions;
    char host[LIMIT_HOST + 1];
    bool is_address;
    struct warm *idle; /* the one used last is first: the others may grow old and go */
    size_t n_idle;
};

/* What is waited for is told by what is set: a lookup, then a dial, then the handshake on `stream`. */
struct origin_attempt {
    struct origin *origin;
    origin_connected *done;
    void *owner;
    struct lookup *lookup;
    struct dial *dial;
    struct stream stream;
    struct timer deadline; /* also, with no delay, reports what was known at once */
    const char *reason;
    unsigned status;
};

struct origin *origin_new(const struct held *held, uint64_t connect_timeout_ms) {
    struct origin *origin = calloc(1, sizeof(*origin));
    struct slice host = held->credential->authority.host;
    struct address address;

    if (!origin || host.n > LIMIT_HOST) {
        free(origin);
        return NULL;
    }
    *origin = (struct origin){.held = held, .connect_timeout_ms = connect_timeout_ms};
    memcpy(origin->host, host.p, host.n);
    origin->is_address = address_parse(host, 0, &address) == 0;
    return origin;
}

static struct warm *warm_of(struct client *client) {
    return container_of(client, struct warm, client);
}

static void warm_free(struct warm *warm) {
    client_done(&warm->client);
    free(warm);
}

static void forget(struct origin *origin, struct warm *warm) {
    for (struct warm **at = &origin->idle; *at; at = &(*at)->next)
        if (*at == warm) {
            *at = warm->next;
            origin->n_idle--;
            return;
        }
}

/* An idle connection said something: session tickets are fine, the end or any byte means that it must not be used. */
static void idle_ready(struct watch *watch) {
    struct warm *warm = container_of(watch, struct warm, client.stream.watch);

    if (!(watch->ready & ANYTHING) || !client_is_stale(&warm->client))
        return;
    forget(warm->origin, warm);
    warm_free(warm);
}

void origin_free(struct origin *origin) {
    if (!origin)
        return;
    while (origin->idle) {
        struct warm *warm = origin->idle;

        forget(origin, warm);
        warm_free(warm);
    }
    tls_sessions_done(&origin->sessions);
    free(origin);
}

struct client *origin_take(struct origin *origin) {
    while (origin->idle) {
        struct warm *warm = origin->idle;

        forget(origin, warm);
        if (!stream_is_ready(&warm->client.stream, ANYTHING) || !client_is_stale(&warm->client))
            return &warm->client;
        warm_free(warm);
    }
    return NULL;
}

void origin_give_back(struct origin *origin, struct client *client) {
    struct warm *warm = warm_of(client);

    if (!client_is_reusable(client) || origin->n_idle >= LIMIT_IDLE_UPSTREAMS) {
        warm_free(warm);
        return;
    }
    client_rest(client);
    client_attach(client, NULL, idle_ready);
    warm->next = origin->idle;
    origin->idle = warm;
    origin->n_idle++;
}

static void attempt_free(struct origin_attempt *attempt) {
    lookup_cancel(attempt->lookup);
    dial_cancel(attempt->dial);
    stream_done(&attempt->stream);
    timer_cancel(&attempt->deadline);
    free(attempt);
}

void origin_cancel(struct origin_attempt *attempt) {
    if (attempt)
        attempt_free(attempt);
}

static void attempt_over(struct origin_attempt *attempt, struct client *client, unsigned status, const char *reason) {
    origin_connected *done = attempt->done;
    void *owner = attempt->owner;

    if (!client)
        log_info("credential %s: %s", attempt->origin->held->credential->name, reason);
    attempt_free(attempt);
    done(owner, client, status, reason);
}

/* Reports from the loop, never from inside the call that began the attempt. */
static void fail_soon(struct origin_attempt *attempt, const char *reason) {
    attempt->status = 502;
    attempt->reason = reason;
    timer_set(&attempt->deadline, 0);
}

static void attempt_late(struct timer *timer) {
    struct origin_attempt *attempt = container_of(timer, struct origin_attempt, deadline);

    attempt_over(attempt, NULL, attempt->status, attempt->reason);
}

static void connection_made(struct origin_attempt *attempt) {
    struct warm *warm = calloc(1, sizeof(*warm));

    if (!warm || client_init(&warm->client, &attempt->stream, idle_ready) < 0) {
        free(warm);
        attempt_over(attempt, NULL, 503, "out of memory or descriptors");
        return;
    }
    warm->origin = attempt->origin;
    attempt_over(attempt, &warm->client, 0, NULL);
}

static void shake_hands(struct watch *watch) {
    struct origin_attempt *attempt = container_of(watch, struct origin_attempt, stream.watch);
    int r = tls_handshake(&attempt->stream);

    if (r == 0)
        connection_made(attempt);
    else if (r != -EAGAIN)
        attempt_over(attempt, NULL, 502, tls_failure(&attempt->stream));
}

static void plain_ready(struct watch *watch) {
    (void)watch;
}

/* Words for what connect(2) said, of which a workload may know. */
static const char *connect_failure(int error) {
    switch (-error) {
    case ECONNREFUSED:
        return "the upstream refused the connection";
    case ETIMEDOUT:
        return "the upstream did not answer";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "the upstream's network is unreachable";
    case EMFILE:
    case ENFILE:
        return "no descriptor is left for a connection";
    default:
        return "the connection to the upstream failed";
    }
}

static void dialled(void *owner, int fd) {
    struct origin_attempt *attempt = owner;
    struct origin *origin = attempt->origin;
    int r;

    attempt->dial = NULL;
    if (fd < 0) {
        attempt_over(attempt, NULL, fd == -EMFILE ? 503 : 502, connect_failure(fd));
        return;
    }
    attempt->reason = "the TLS handshake took too long";
    r = stream_init(&attempt->stream, fd, origin->held->tls ? shake_hands : plain_ready);
    if (r == 0 && origin->held->tls)
        r = tls_start(&attempt->stream, origin->held->tls, origin->host, origin->is_address, &origin->sessions);
    if (r < 0)
        attempt_over(attempt, NULL, 503, "out of memory or descriptors");
    else if (!origin->held->tls)
        connection_made(attempt);
    else
        shake_hands(&attempt->stream.watch);
}

/* Every address is judged, and connected to is exactly one that was: what the name says later does not count. */
static void addresses_known(struct origin_attempt *attempt, const struct lookup_result *result, bool is_written) {
    struct address judged[LIMIT_ADDRESSES];
    size_t n = 0;

    for (size_t i = 0; i < result->n; i++)
        if (is_written || attempt->origin->held->credential->allows_private || WEAKENED(ADDRESS) ||
            address_is_public(&result->addresses[i]))
            judged[n++] = result->addresses[i];
    attempt->reason = "the upstream did not accept the connection in time";
    if (result->n == 0)
        fail_soon(attempt, "the upstream's name could not be resolved");
    else if (n == 0)
        fail_soon(attempt, "the upstream's name stands for a private address (allow_private)");
    else if (dial_start(judged, n, dialled, attempt, &attempt->dial) < 0)
        fail_soon(attempt, "out of memory or descriptors");
}

static void looked_up(void *owner, const struct lookup_result *result) {
    struct origin_attempt *attempt = owner;

    attempt->lookup = NULL;
    if (result->n == 0)
        log_info("credential %s: %s: %s", attempt->origin->held->credential->name, attempt->origin->host,
                 result->failure);
    addresses_known(attempt, result, false);
}

/* `localhost` and addresses say by themselves that they mean this machine or this network. */
static bool written_addresses(const struct origin *origin, struct lookup_result *ret) {
    uint16_t port = origin->held->credential->authority.port;

    *ret = (struct lookup_result){0};
    if (slice_equals_nocase(slice_of_string(origin->host), SLICE("localhost"))) {
        /*
         * RFC 6761 §6.3: never asked of a name server. Without a certificate to tell who answers, one address only: the
         * server that is meant listens there, and the command could listen on the other.
         */
        if (origin->held->credential->authority.is_tls)
            (void)address_parse(SLICE("::1"), port, &ret->addresses[ret->n++]);
        (void)address_parse(SLICE("127.0.0.1"), port, &ret->addresses[ret->n++]);
    } else if (address_parse(slice_of_string(origin->host), port, &ret->addresses[0]) == 0) {
        ret->n = 1;
    }
    return ret->n > 0;
}

struct origin_attempt *origin_connect(struct origin *origin, origin_connected *done, void *owner) {
    struct origin_attempt *attempt = calloc(1, sizeof(*attempt));
    struct lookup_result written;

    if (!attempt)
        return NULL;
    *attempt = (struct origin_attempt){.origin = origin, .done = done, .owner = owner, .status = 504};
    attempt->deadline.on_expiry = attempt_late;
    attempt->reason = "the upstream's name was not resolved in time";
    timer_set(&attempt->deadline, origin->connect_timeout_ms);
    if (written_addresses(origin, &written))
        addresses_known(attempt, &written, true);
    else
        attempt->lookup =
            lookup_start(slice_of_string(origin->host), origin->held->credential->authority.port, looked_up, attempt);
    return attempt;
}
