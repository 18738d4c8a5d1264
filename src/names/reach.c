#include "names/reach.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "names/lookup.h"
#include "net/dial.h"
#include "net/own_machine.h"

/* What is waited for is told by what is set: a lookup, then a dial, then the handshake on `stream`. */
struct reach {
    const struct reach_plan *plan;
    bool is_address; /* the host is one */
    bool is_written; /* or localhost: nothing was resolved */
    reach_done *done;
    void *owner;
    struct lookup *lookup;
    struct dial *dial;
    struct stream stream;
    struct timer deadline; /* also, with no delay, reports what was known at once */
    const char *reason, *details;
    unsigned status;
};

static void reach_free(struct reach *reach) {
    lookup_cancel(reach->lookup);
    dial_cancel(reach->dial);
    stream_done(&reach->stream);
    timer_cancel(&reach->deadline);
    free(reach);
}

void reach_cancel(struct reach *reach) {
    if (reach)
        reach_free(reach);
}

/* The stream is still there while the owner is told: it may be moved out, and its failure may be looked at. */
static void reach_over(struct reach *reach, struct stream *stream, unsigned status, const char *reason) {
    timer_cancel(&reach->deadline);
    reach->done(reach->owner, stream, status, reason, reach->details);
    reach_free(reach);
}

/* Reports from the loop, never from inside the call that began it. */
static void fail_soon(struct reach *reach, const char *reason) {
    reach->status = 502;
    reach->reason = reason;
    timer_set(&reach->deadline, 0);
}

static void reach_late(struct timer *timer) {
    struct reach *reach = container_of(timer, struct reach, deadline);

    reach_over(reach, NULL, reach->status, reach->reason);
}

static void shake_hands(struct watch *watch) {
    struct reach *reach = container_of(watch, struct reach, stream.watch);
    int r = tls_handshake(&reach->stream);

    if (r == 0)
        reach_over(reach, &reach->stream, 0, NULL);
    else if (r != -EAGAIN)
        reach_over(reach, NULL, 502, tls_failure(&reach->stream));
}

static void plain_ready(struct watch *watch) {
    (void)watch;
}

/* Words for what connect(2) said, of which a stranger may know. */
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

/* An address of this machine, a public one too, is judged as its loopback is: the same services listen there. 0: no. */
static int leads_back(const struct reach *reach, int fd) {
    struct address loopback;
    int r;

    if (reach->is_written || !reach->plan->may_reach)
        return 0;
    r = own_machine_is_peer(fd);
    if (r <= 0)
        return r;
    (void)address_parse(SLICE("127.0.0.1"), 0, &loopback);
    return !reach->plan->may_reach(reach->owner, &loopback);
}

/* -errno of connect(2), or 1: it leads back. */
static void not_reached(struct reach *reach, int why) {
    if (why > 0)
        reach_over(reach, NULL, 502, "the upstream's name stands for an address of this machine (allow_private)");
    else
        reach_over(reach, NULL, why == -EMFILE ? 503 : 502, connect_failure(why));
}

static void dialled(void *owner, int fd) {
    struct reach *reach = owner;
    const struct reach_plan *plan = reach->plan;
    int r;

    reach->dial = NULL;
    r = fd < 0 ? fd : leads_back(reach, fd);
    if (r != 0) {
        fd_close(&fd);
        not_reached(reach, r);
        return;
    }
    reach->reason = "the TLS handshake took too long";
    r = stream_init(&reach->stream, fd, plan->tls ? shake_hands : plain_ready);
    if (r == 0 && plan->tls)
        r = tls_start(&reach->stream, plan->tls, plan->host, reach->is_address, plan->sessions);
    if (r < 0)
        reach_over(reach, NULL, 503, "out of memory or descriptors");
    else if (!plan->tls)
        reach_over(reach, &reach->stream, 0, NULL);
    else
        shake_hands(&reach->stream.watch);
}

/* Every address is judged, and connected to is exactly one that was: what the name says later does not count. */
static void addresses_known(struct reach *reach, const struct lookup_result *result) {
    const struct reach_plan *plan = reach->plan;
    struct address judged[LIMIT_ADDRESSES];
    size_t n = 0;

    for (size_t i = 0; i < result->n; i++)
        if (reach->is_written || !plan->may_reach || plan->may_reach(reach->owner, &result->addresses[i]))
            judged[n++] = result->addresses[i];
    reach->reason = "the upstream did not accept the connection in time";
    if (result->n == 0)
        fail_soon(reach, "the upstream's name could not be resolved");
    else if (n == 0)
        fail_soon(reach, "the upstream's name stands for a private address (allow_private)");
    else if (dial_start(judged, n, dialled, reach, &reach->dial) < 0)
        fail_soon(reach, "out of memory or descriptors");
}

static void looked_up(void *owner, const struct lookup_result *result) {
    struct reach *reach = owner;

    reach->lookup = NULL;
    if (result->n == 0)
        reach->details = result->failure;
    addresses_known(reach, result);
}

/* `localhost` and addresses say by themselves that they mean this machine or this network. */
static bool written_addresses(struct reach *reach, struct lookup_result *ret) {
    const struct reach_plan *plan = reach->plan;
    struct slice host = slice_of_string(plan->host);

    *ret = (struct lookup_result){0};
    reach->is_address = address_parse(host, plan->port, &ret->addresses[0]) == 0;
    if (reach->is_address) {
        ret->n = 1;
    } else if (slice_equals_nocase(host, SLICE("localhost"))) {
        /*
         * RFC 6761 §6.3: never asked of a name server. Without a certificate to tell who answers, one address only:
         * the server that is meant listens there, and somebody else could listen on the other.
         */
        if (plan->tls)
            (void)address_parse(SLICE("::1"), plan->port, &ret->addresses[ret->n++]);
        (void)address_parse(SLICE("127.0.0.1"), plan->port, &ret->addresses[ret->n++]);
    }
    return ret->n > 0;
}

struct reach *reach_start(const struct reach_plan *plan, reach_done *done, void *owner) {
    struct reach *reach = calloc(1, sizeof(*reach));
    struct lookup_result written;

    if (!reach)
        return NULL;
    *reach = (struct reach){.plan = plan, .done = done, .owner = owner, .status = 504};
    reach->deadline.on_expiry = reach_late;
    reach->reason = "the upstream's name was not resolved in time";
    timer_set(&reach->deadline, plan->timeout_ms);
    reach->is_written = written_addresses(reach, &written);
    if (reach->is_written)
        addresses_known(reach, &written);
    else
        reach->lookup = lookup_start(slice_of_string(plan->host), plan->port, looked_up, reach);
    return reach;
}
