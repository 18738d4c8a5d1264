#include "egress/keeper/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/keeper/warm.h"
#include "names/reach.h"

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

static void forget(struct origin *origin, struct warm *warm) {
    for (struct warm **at = &origin->idle; *at; at = &(*at)->next)
        if (*at == warm) {
            *at = warm->next;
            origin->n_idle--;
            warm_take(warm);
            return;
        }
}

static void give_up(struct warm *warm) {
    forget(warm->origin, warm);
    warm_free(warm);
}

/* Of all origins: connections cost memory, whosever they are. */
static struct warm_shelf shelf = {
    .sleep_ms = REST_AFTER, .close_ms = TIMEOUT_WARM, .max = LIMIT_WARM_UPSTREAMS, .give_up = give_up};

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
        if (!warm_is_stale(warm))
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
    warm->next = origin->idle;
    origin->idle = warm;
    origin->n_idle++;
    warm_put(warm);
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

/* Takes the stream over, even on failure, which is NULL. */
static struct warm *warm_new(struct origin *origin, struct stream *stream) {
    struct warm *warm = malloc(sizeof(*warm));

    if (!warm) {
        stream_done(stream);
        return NULL;
    }
    if (warm_init(warm, &shelf, stream) < 0) {
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
