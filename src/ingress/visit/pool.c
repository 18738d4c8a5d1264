#include "ingress/visit/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/visit/world.h"
#include "names/lookup.h"
#include "net/dial.h"

/* Whatever an idle connection may be ready for but writing. */
#define ANYTHING (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

#define UNIX_AGAIN 10 /* ms: a unix socket whose queue is full says so at once, and never when it has room */

struct warm {
    struct warm *next;
    struct client client;
    struct place *place;
    uint64_t since_ms; /* it is idle */
};

/* What is waited for is told by what is set: a lookup, a dial, a unix socket that is tried again. */
struct pool_attempt {
    struct place *place;
    pool_connected *done;
    void *owner;
    struct lookup *lookup;
    struct dial *dial;
    struct timer again;
    struct timer deadline; /* also, with no delay, reports what was known at once */
    int error;
};

static struct warm *warm_of(struct client *client) {
    return container_of(client, struct warm, client);
}

void pool_drop(struct client *client) {
    client_done(client);
    free(warm_of(client));
}

static void forget(struct warm *warm) {
    struct place *place = warm->place;

    for (struct warm **at = &place->idle; *at; at = &(*at)->next)
        if (*at == warm) {
            *at = warm->next;
            place->n_idle--;
            return;
        }
}

/* An idle connection has ended, or says something that nobody asked: it must not be used. */
static void idle_ready(struct watch *watch) {
    struct warm *warm = container_of(watch, struct warm, client.stream.watch);

    if (!(watch->ready & ANYTHING) || !client_is_stale(&warm->client))
        return;
    forget(warm);
    pool_drop(&warm->client);
}

struct client *pool_take(struct place *place, bool is_sure) {
    while (place->idle) {
        struct warm *warm = place->idle;

        place->idle = warm->next;
        place->n_idle--;
        if ((!is_sure && !stream_is_ready(&warm->client.stream, ANYTHING)) || !client_is_stale(&warm->client))
            return &warm->client;
        pool_drop(&warm->client);
    }
    return NULL;
}

void pool_give_back(struct place *place, struct client *client) {
    struct warm *warm = warm_of(client);

    if (!client_is_reusable(client) || place->n_idle >= LIMIT_WARM || !place->is_led || world.is_draining) {
        pool_drop(client);
        return;
    }
    client_rest(client);
    client_attach(client, NULL, idle_ready);
    warm->since_ms = loop_now_ms();
    warm->next = place->idle;
    place->idle = warm;
    place->n_idle++;
}

void pool_prune(struct place *place, uint64_t before_ms) {
    for (struct warm **at = &place->idle; *at;) {
        struct warm *warm = *at;

        if (warm->since_ms >= before_ms) {
            at = &warm->next;
            continue;
        }
        *at = warm->next;
        place->n_idle--;
        pool_drop(&warm->client);
    }
}

void pool_cancel(struct pool_attempt *attempt) {
    if (!attempt)
        return;
    lookup_cancel(attempt->lookup);
    dial_cancel(attempt->dial);
    timer_cancel(&attempt->again);
    timer_cancel(&attempt->deadline);
    free(attempt);
}

static void attempt_over(struct pool_attempt *attempt, struct client *client, int error) {
    pool_connected *done = attempt->done;
    void *owner = attempt->owner;

    if (!client)
        world_count()->upstream_failed++;
    pool_cancel(attempt);
    done(owner, client, error);
}

/* Reports from the loop, never from inside the call that began the attempt. */
static void fail_soon(struct pool_attempt *attempt, int error) {
    attempt->error = error;
    timer_set(&attempt->deadline, 0);
}

static void attempt_late(struct timer *timer) {
    struct pool_attempt *attempt = container_of(timer, struct pool_attempt, deadline);

    attempt_over(attempt, NULL, attempt->error);
}

static void nothing_yet(struct watch *watch) {
    (void)watch;
}

/* Takes `fd`, which is connected, over. NULL without memory or descriptors. */
static struct client *client_of(struct place *place, int fd) {
    struct warm *warm = calloc(1, sizeof(*warm));
    struct stream stream;

    if (!warm) {
        fd_close(&fd);
        return NULL;
    }
    warm->place = place;
    if (stream_init(&stream, fd, nothing_yet) == 0 && client_init(&warm->client, &stream, idle_ready) == 0)
        return &warm->client;
    free(warm);
    return NULL;
}

static void dialled(void *owner, int fd) {
    struct pool_attempt *attempt = owner;
    struct client *client;

    attempt->dial = NULL;
    client = fd >= 0 ? client_of(attempt->place, fd) : NULL;
    attempt_over(attempt, client, fd < 0 ? fd : client ? 0 : -ENOMEM);
}

static void dial(struct pool_attempt *attempt, const struct address *addresses, size_t n) {
    int r = dial_start(addresses, n, dialled, attempt, &attempt->dial);

    if (r < 0)
        fail_soon(attempt, r);
}

static void looked_up(void *owner, const struct lookup_result *result) {
    struct pool_attempt *attempt = owner;

    attempt->lookup = NULL;
    if (result->n > 0) {
        dial(attempt, result->addresses, result->n);
        return;
    }
    log_info("instance %.*s: %s", SLICE_ARG(attempt->place->host), result->failure);
    fail_soon(attempt, -EHOSTUNREACH);
}

/* A unix socket is connected at once, or not at all. */
static int connect_unix(struct slice path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -EBADF;

    if (path.n >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path.p, path.n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return fd_steal(&fd);
}

static void connect_again(struct timer *timer) {
    struct pool_attempt *attempt = container_of(timer, struct pool_attempt, again);
    int fd = connect_unix(attempt->place->path);

    if (fd == -EAGAIN)
        timer_set(timer, UNIX_AGAIN);
    else
        dialled(attempt, fd);
}

struct pool_attempt *pool_connect(struct place *place, pool_connected *done, void *owner) {
    struct pool_attempt *attempt = calloc(1, sizeof(*attempt));

    if (!attempt)
        return NULL;
    *attempt = (struct pool_attempt){.place = place, .done = done, .owner = owner, .error = -ETIMEDOUT};
    attempt->deadline.on_expiry = attempt_late;
    attempt->again.on_expiry = connect_again;
    timer_set(&attempt->deadline, world.front.connect_ms);
    switch (place->kind) {
    case INSTANCE_ADDRESS:
        dial(attempt, &place->address, 1);
        break;
    case INSTANCE_UNIX:
        timer_set(&attempt->again, 0);
        break;
    case INSTANCE_NAME:
        attempt->lookup = lookup_start(place->host, place->port, looked_up, attempt);
        break;
    }
    return attempt;
}
