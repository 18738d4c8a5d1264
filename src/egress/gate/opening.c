#include "egress/gate/opening.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/gate/gate_rule.h"
#include "names/lookup.h"
#include "net/dial.h"
#include "net/own_machine.h"

/* What is waited for is told by what is set: a lookup, then a dial; neither: the loop, to tell what is known. */
struct opening {
    opening_done *done;
    void *owner;
    uint16_t port;
    bool is_special;
    char host[LIMIT_HOST + 1];
    char rule[GATE_RULE_TEXT_MAX];
    char reason[LIMIT_REASON], hint[LIMIT_REASON];
    struct lookup *lookup;
    struct dial *dial;
    struct timer deadline; /* also, with no delay, tells what was known at once */
    enum refusal refusal;  /* when it expires */
};

static void opening_free(struct opening *opening) {
    lookup_cancel(opening->lookup);
    dial_cancel(opening->dial);
    timer_cancel(&opening->deadline);
    free(opening);
}

void opening_cancel(struct opening *opening) {
    if (opening)
        opening_free(opening);
}

static void opening_over(struct opening *opening, int fd, enum refusal refusal) {
    const struct refusal_text *text = refusal_text(refusal);
    struct opening_end end = {.fd = fd,
                              .refusal = refusal,
                              .rule = fd >= 0 ? slice_of_string(opening->rule) : text->rule,
                              .reason = slice_of_string(opening->reason),
                              .hint = opening->hint[0] ? slice_of_string(opening->hint) : text->hint};

    timer_cancel(&opening->deadline); /* its owner may begin another one in its place */
    opening->done(opening->owner, &end);
    opening_free(opening);
}

static void say(struct opening *opening, const char *reason) {
    (void)snprintf(opening->reason, sizeof(opening->reason), "%s", reason);
}

/* Tells it from the loop, never from inside the call that began it. */
static void fail_soon(struct opening *opening, enum refusal refusal, const char *reason) {
    opening->refusal = refusal;
    say(opening, reason);
    timer_set(&opening->deadline, 0);
}

static void opening_late(struct timer *timer) {
    struct opening *opening = container_of(timer, struct opening, deadline);

    opening_over(opening, -EBADF, opening->refusal);
}

/* Words for what connect(2) said. */
static const char *connect_failure(int error) {
    switch (-error) {
    case ECONNREFUSED:
        return "nobody listens there: the connection was refused";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "the host's network is unreachable";
    default:
        return "the connection failed";
    }
}

/* What listens on every address of this machine listens on its public one, too: no name may stand for that. 0: no. */
static int leads_back(const struct opening *opening, int fd) {
    return opening->is_special || WEAKENED(ADDRESS) ? 0 : own_machine_is_peer(fd);
}

static void dialled(void *owner, int fd) {
    struct opening *opening = owner;
    int r = fd < 0 ? fd : leads_back(opening, fd);

    opening->dial = NULL;
    if (r == 0) {
        opening->reason[0] = '\0';
        opening_over(opening, fd, REFUSAL_NONE);
        return;
    }
    fd_close(&fd);
    if (r > 0) {
        say(opening, "this name stands for an address of this machine");
        opening_over(opening, -EBADF, REFUSAL_ADDRESS);
    } else if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) {
        say(opening, "no descriptor or memory is left for a connection");
        opening_over(opening, -EBADF, REFUSAL_NO_MEMORY);
    } else if (r == -ETIMEDOUT) {
        opening_over(opening, -EBADF, REFUSAL_UPSTREAM_TIMEOUT);
    } else {
        say(opening, connect_failure(r));
        opening_over(opening, -EBADF, REFUSAL_UPSTREAM);
    }
}

/* Every address is judged, and connected to is exactly one that was: what the name says later does not count. */
static void addresses_known(struct opening *opening, const struct address *addresses, size_t n) {
    struct address judged[LIMIT_ADDRESSES];
    size_t n_judged = 0;

    for (size_t i = 0; i < n; i++)
        if (opening->is_special || WEAKENED(ADDRESS) || address_is_public(&addresses[i]))
            judged[n_judged++] = addresses[i];
    say(opening, "the host did not accept the connection in time");
    if (n_judged == 0)
        fail_soon(opening, REFUSAL_ADDRESS, refusal_text(REFUSAL_ADDRESS)->reason);
    else if (dial_start(judged, n_judged, dialled, opening, &opening->dial) < 0)
        fail_soon(opening, REFUSAL_NO_MEMORY, refusal_text(REFUSAL_NO_MEMORY)->reason);
}

static void looked_up(void *owner, const struct lookup_result *result) {
    struct opening *opening = owner;

    opening->lookup = NULL;
    if (result->n > 0) {
        addresses_known(opening, result->addresses, result->n);
        return;
    }
    fail_soon(opening, REFUSAL_UPSTREAM, "");
    (void)snprintf(opening->reason, sizeof(opening->reason), "the host's name %s could not be resolved: %s",
                   opening->host, result->failure);
    (void)snprintf(opening->hint, sizeof(opening->hint),
                   "check how the host is written, and that this machine finds it");
}

/* `localhost` is never asked of a name server (RFC 6761 §6.3): it is this machine, by either family, and nothing else. */
static size_t written_addresses(const struct opening *opening, struct address ret[static 2]) {
    struct slice host = slice_of_string(opening->host);

    if (address_parse(host, opening->port, &ret[0]) == 0)
        return 1;
    if (!slice_equals_nocase(host, SLICE("localhost")))
        return 0;
    (void)address_parse(SLICE("127.0.0.1"), opening->port, &ret[0]);
    (void)address_parse(SLICE("::1"), opening->port, &ret[1]);
    return 2;
}

/* No name is asked for that no rule lets through: a question tells its name server something, too. */
static void refuse_host(struct opening *opening, struct slice host) {
    char rule[GATE_RULE_TEXT_MAX];

    if (gate_host_is_valid(host)) {
        (void)gate_host_format(host, opening->port, rule);
        (void)snprintf(opening->hint, sizeof(opening->hint), "add to egress.allow: \"%s\"", rule);
    }
    fail_soon(opening, REFUSAL_HOST, refusal_text(REFUSAL_HOST)->reason);
}

static void begin(struct opening *opening) {
    struct address addresses[2];
    size_t n = written_addresses(opening, addresses);

    opening->refusal = REFUSAL_UPSTREAM_TIMEOUT;
    say(opening, "the host's name was not resolved in time");
    if (n > 0)
        addresses_known(opening, addresses, n);
    else
        opening->lookup = lookup_start(slice_of_string(opening->host), opening->port, looked_up, opening);
}

int opening_start(const struct opening_plan *plan, opening_done *done, void *owner, struct opening **ret) {
    struct opening *opening = calloc(1, sizeof(*opening));
    bool is_valid = gate_host_is_valid(plan->host);
    const struct gate_rule *rule = NULL;

    if (!opening)
        return -ENOMEM;
    *opening = (struct opening){.done = done, .owner = owner, .port = plan->port};
    opening->deadline.on_expiry = opening_late;
    timer_set(&opening->deadline, plan->timeout_ms);
    *ret = opening;
    if (is_valid) {
        memcpy(opening->host, plan->host.p, plan->host.n);
        rule = gate_rule_find(plan->rules, plan->n_rules, plan->host, plan->port);
    }
    if (rule)
        (void)gate_rule_format(rule, opening->rule);
    if (!rule && !(is_valid && WEAKENED(HOSTS))) {
        refuse_host(opening, plan->host);
        return 0;
    }
    opening->is_special = !rule || rule->is_special;
    begin(opening);
    return 0;
}
