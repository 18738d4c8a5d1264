#include "egress/keeper/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "names/reach.h"
#include "proc/rest.h"

/* Whatever an idle connection may be ready for but writing. */
#define ANYTHING (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct warm {
    struct warm *next;          /* of the same origin: the one before it */
    struct warm *older, *newer; /* of all that are idle */
    struct client client;
    struct origin *origin;
    uint64_t since_ms; /* loop_now_ms() */
    bool is_asleep;
};

/* All that are idle, whosever: by when they were given back. */
static struct {
    struct warm *oldest, *newest;
    size_t n;
    bool has_awake; /* the timer is about them */
} idle;

struct origin {
    const struct held *held;
    uint64_t connect_timeout_ms;
    struct tls_sessions sessions;
    char host[LIMIT_HOST + 1];
    char unknown[LIMIT_REASON]; /* the reason when nothing finds it; its exchange may tell it later */
    struct warm *idle;          /* the one used last is first: the others may grow old and go */
    size_t n_idle;
};

struct origin_attempt {
    struct origin *origin;
    origin_connected *done;
    void *owner;
    struct reach_plan plan;
    struct reach *reach;
};

struct origin *origin_new(const struct held *held, uint64_t connect_timeout_ms) {
    struct origin *origin = calloc(1, sizeof(*origin));
    struct slice host = held->credential->authority.host;

    if (!origin || host.n > LIMIT_HOST) {
        free(origin);
        return NULL;
    }
    *origin = (struct origin){.held = held, .connect_timeout_ms = connect_timeout_ms};
    memcpy(origin->host, host.p, host.n);
    (void)snprintf(origin->unknown, sizeof(origin->unknown), "the upstream's name %s could not be resolved",
                   origin->host);
    return origin;
}

static struct warm *warm_of(struct client *client) {
    return container_of(client, struct warm, client);
}

static void warm_free(struct warm *warm) {
    client_done(&warm->client);
    free(warm);
}

static void unlink_idle(struct warm *warm) {
    if (warm->older)
        warm->older->newer = warm->newer;
    else
        idle.oldest = warm->newer;
    if (warm->newer)
        warm->newer->older = warm->older;
    else
        idle.newest = warm->older;
    idle.n--;
}

static void link_idle(struct warm *warm) {
    warm->older = idle.newest;
    warm->newer = NULL;
    if (idle.newest)
        idle.newest->newer = warm;
    else
        idle.oldest = warm;
    idle.newest = warm;
    idle.n++;
}

static void forget(struct origin *origin, struct warm *warm) {
    for (struct warm **at = &origin->idle; *at; at = &(*at)->next)
        if (*at == warm) {
            *at = warm->next;
            origin->n_idle--;
            unlink_idle(warm);
            return;
        }
}

static void give_up(struct warm *warm) {
    forget(warm->origin, warm);
    warm_free(warm);
}

/* Whoever has waited for REST_AFTER sleeps. False while some have not waited so long. */
static bool put_to_sleep(void) {
    struct warm *warm = idle.newest;

    for (; warm && !warm->is_asleep; warm = warm->older)
        if (loop_now_ms() - warm->since_ms >= REST_AFTER) {
            client_sleep(&warm->client);
            warm->is_asleep = true;
        }
    return !idle.newest || idle.newest->is_asleep;
}

static void look_after_idle(struct timer *timer) {
    while (idle.oldest && loop_now_ms() - idle.oldest->since_ms >= TIMEOUT_WARM)
        give_up(idle.oldest);
    if (!put_to_sleep()) {
        timer_set(timer, REST_AFTER);
        return;
    }
    idle.has_awake = false;
    rest_soon();
    if (idle.oldest)
        timer_set(timer, TIMEOUT_WARM - (loop_now_ms() - idle.oldest->since_ms));
}

static void watch_over_idle(void) {
    static struct timer looking = {.on_expiry = look_after_idle};

    if (!idle.has_awake)
        timer_set(&looking, REST_AFTER);
    idle.has_awake = true;
}

/* An idle connection said something: session tickets are fine, the end or any byte means that it must not be used. */
static void idle_ready(struct watch *watch) {
    struct warm *warm = container_of(watch, struct warm, client.stream.watch);

    if (!(watch->ready & ANYTHING))
        return;
    if (client_is_stale(&warm->client))
        give_up(warm);
    else if (warm->is_asleep)
        client_sleep(&warm->client);
}

void origin_free(struct origin *origin) {
    if (!origin)
        return;
    while (origin->idle)
        give_up(origin->idle);
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
    warm->since_ms = loop_now_ms();
    warm->is_asleep = false;
    link_idle(warm);
    if (idle.n > LIMIT_WARM_UPSTREAMS)
        give_up(idle.oldest);
    watch_over_idle();
}

void origin_cancel(struct origin_attempt *attempt) {
    if (!attempt)
        return;
    reach_cancel(attempt->reach);
    free(attempt);
}

static bool may_reach(void *owner, const struct address *address) {
    const struct origin_attempt *attempt = owner;

    return attempt->origin->held->credential->allows_private || WEAKENED(ADDRESS) || address_is_public(address);
}

static struct warm *warm_new(struct origin *origin, struct stream *stream) {
    struct warm *warm = calloc(1, sizeof(*warm));

    if (!warm || client_init(&warm->client, stream, idle_ready) < 0) {
        free(warm);
        return NULL;
    }
    warm->origin = origin;
    return warm;
}

static void reached(void *owner, struct stream *stream, unsigned status, const char *reason, const char *details) {
    struct origin_attempt *attempt = owner;
    struct origin *origin = attempt->origin;
    origin_connected *done = attempt->done;
    void *whose = attempt->owner;
    struct warm *warm = stream ? warm_new(origin, stream) : NULL;

    free(attempt);
    if (stream && !warm) {
        status = 503;
        reason = "out of memory or descriptors";
    }
    if (details) {
        log_info("credential %s: %s: %s", origin->held->credential->name, origin->host, details);
        reason = origin->unknown;
    }
    if (!warm)
        log_info("credential %s: %s", origin->held->credential->name, reason);
    done(whose, warm ? &warm->client : NULL, status, reason);
}

struct origin_attempt *origin_connect(struct origin *origin, origin_connected *done, void *owner) {
    struct origin_attempt *attempt = calloc(1, sizeof(*attempt));

    if (!attempt)
        return NULL;
    *attempt = (struct origin_attempt){.origin = origin, .done = done, .owner = owner};
    attempt->plan = (struct reach_plan){.host = origin->host,
                                        .port = origin->held->credential->authority.port,
                                        .tls = origin->held->tls,
                                        .sessions = &origin->sessions,
                                        .may_reach = may_reach,
                                        .timeout_ms = origin->connect_timeout_ms};
    attempt->reach = reach_start(&attempt->plan, reached, attempt);
    if (!attempt->reach) {
        free(attempt);
        return NULL;
    }
    return attempt;
}
