#include "fleet/link/hub.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/macros.h"
#include "fleet/link/tell.h"
#include "net/address.h"

#define CODE_GOING_AWAY 1001 /* RFC 6455 §7.4.1 */

static void handshake_late(struct hub *hub);
static void ask_leave(struct hub *hub);

/* What is done when a state has lasted too long. */
static void (*const too_late[])(struct hub *hub) = {[WAIT_HANDSHAKE] = handshake_late, [WAIT_RETRY] = ask_leave};

static void set_state(struct hub *hub, enum hub_state state) {
    timer_cancel(&hub->deadline);
    hub->state = state;
}

static void deadline_over(struct timer *timer) {
    struct hub *hub = container_of(timer, struct hub, deadline);

    if (hub->ended)
        hub->ended();
    else
        too_late[hub->state](hub);
}

/* From half of the longest wait to the whole: runners that were lost together do not come back together. */
static uint64_t draw_wait(struct hub *hub) {
    uint64_t most = hub->is_draining ? RETRY_HUB : hub->delay_ms, random = 0;

    (void)!getrandom(&random, sizeof(random), 0);
    hub->delay_ms = MIN_OF(2 * hub->delay_ms, (uint64_t)RETRY_HUB_MAX);
    return most / 2 + random % (most / 2 + 1);
}

static void wait_retry(struct hub *hub, const char *why) {
    uint64_t wait_ms = draw_wait(hub);

    set_state(hub, WAIT_RETRY);
    log_info("the next attempt in %llu ms", (unsigned long long)wait_ms);
    tell_down(wait_ms, why);
    timer_set(&hub->deadline, wait_ms);
}

static void attempt_failed(struct hub *hub, const char *why) {
    log_warning("there is no link to %s: %s", hub->settings.url, why);
    wait_retry(hub, why);
}

static void link_lost(struct talk *talk, const char *why) {
    struct hub *hub = container_of(talk, struct hub, talk);

    if (hub->ended) {
        hub->ended();
        return;
    }
    if (loop_now_ms() - hub->opened_ms >= HUB_SETTLED)
        hub->delay_ms = RETRY_HUB;
    log_warning("the link to %s is lost: %s", hub->settings.url, why);
    wait_retry(hub, why);
}

static void shaken(void *owner, struct stream *stream, struct slice early, const char *why) {
    struct hub *hub = owner;

    hub->handshake = NULL;
    if (!stream) {
        attempt_failed(hub, why);
        return;
    }
    set_state(hub, WAIT_LOSS);
    hub->opened_ms = loop_now_ms();
    if (talk_open(&hub->talk, stream, early, hub->has_broker) < 0)
        attempt_failed(hub, "out of memory or descriptors");
}

static void handshake_late(struct hub *hub) {
    handshake_cancel(hub->handshake);
    hub->handshake = NULL;
    attempt_failed(hub, "the hub did not answer the handshake in time");
}

static void routed(void *owner, struct stream *stream, const char *why) {
    struct hub *hub = owner;
    const struct handshake_plan plan = {.hub = &hub->settings.hub,
                                        .token = hub->token,
                                        .has_broker = hub->has_broker,
                                        .version = hub->settings.version};
    uint64_t spent_ms = loop_now_ms() - hub->began_ms;

    hub->route = NULL;
    if (!stream) {
        attempt_failed(hub, why);
        return;
    }
    set_state(hub, WAIT_HANDSHAKE);
    hub->handshake = handshake_start(&plan, stream, shaken, hub);
    if (hub->handshake)
        timer_set(&hub->deadline, TIMEOUT_HUB_CONNECT - MIN_OF(spent_ms, (uint64_t)TIMEOUT_HUB_CONNECT));
    else
        attempt_failed(hub, "the handshake cannot be written: out of memory, or the token is too long");
}

int hub_connect(struct hub *hub, bool has_broker) {
    if (hub->state != WAIT_LEAVE)
        return -EPROTO;
    hub->has_broker = has_broker;
    hub->began_ms = loop_now_ms();
    set_state(hub, WAIT_ROUTE);
    hub->route = route_start(&hub->plan, routed, hub);
    if (!hub->route)
        attempt_failed(hub, "out of memory");
    return 0;
}

static void ask_leave(struct hub *hub) {
    set_state(hub, WAIT_LEAVE);
    tell_wants();
}

static void begin_when_ready(struct hub *hub) {
    if (hub->state == WAIT_SETTINGS && hub->is_pointed && hub->token && hub->has_resolver)
        ask_leave(hub);
}

void hub_init(struct hub *hub, const struct machine *machine) {
    *hub = (struct hub){.delay_ms = RETRY_HUB, .deadline.on_expiry = deadline_over};
    talk_init(&hub->talk, &hub->settings, machine, link_lost);
}

/* In the clear there is no way but within this machine, and no proxy on that. NULL, or what is wrong. */
static const char *choose_proxy(struct hub *hub, bool *ret_is_needed) {
    const struct link_settings *settings = &hub->settings;

    *ret_is_needed = false;
    if (!settings->hub.is_tls && !uri_is_loopback(&settings->hub))
        return "ws:// is for a hub on this machine alone; elsewhere it is wss://";
    return proxy_choose(slice_of_string(settings->proxy), slice_of_string(settings->no_proxy), &settings->hub,
                        &hub->proxy, ret_is_needed);
}

int hub_point(struct hub *hub, struct tls_context *trust) {
    const struct uri_upstream *place = &hub->settings.hub;
    bool is_proxied;
    const char *wrong = choose_proxy(hub, &is_proxied);
    struct address address;

    hub->trust = trust;
    if (wrong) {
        log_error("%s%s", is_proxied ? "$HTTPS_PROXY: " : "", wrong);
        return -EINVAL;
    }
    if (is_proxied)
        log_info("the hub is reached through the proxy %s:%u", hub->proxy.host, hub->proxy.port);
    memcpy(hub->host, place->host.p, MIN_OF(place->host.n, (size_t)LIMIT_HOST));
    hub->plan = (struct route_plan){.host = hub->host,
                                    .is_address = address_parse(place->host, place->port, &address) == 0,
                                    .port = place->port,
                                    .tls = place->is_tls ? trust : NULL,
                                    .sessions = &hub->sessions,
                                    .proxy = is_proxied ? &hub->proxy : NULL,
                                    .timeout_ms = TIMEOUT_HUB_CONNECT};
    hub->is_pointed = true;
    begin_when_ready(hub);
    return 0;
}

void hub_take_token(struct hub *hub, struct secret *token) {
    secret_free(hub->token);
    hub->token = token;
    begin_when_ready(hub);
}

void hub_has_resolver(struct hub *hub) {
    hub->has_resolver = true;
    begin_when_ready(hub);
}

void hub_drain(struct hub *hub) {
    hub->is_draining = true;
    if (hub->state == WAIT_RETRY)
        timer_set(&hub->deadline, 0);
}

void hub_end(struct hub *hub, void (*ended)(void)) {
    hub->ended = ended;
    route_cancel(hub->route);
    handshake_cancel(hub->handshake);
    hub->route = NULL;
    hub->handshake = NULL;
    talk_close(&hub->talk, CODE_GOING_AWAY, "the runner ends");
    timer_set(&hub->deadline, hub->talk.state == NO_LINK ? 0 : TIMEOUT_ROLE_STOP / 2);
}
