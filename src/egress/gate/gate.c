/*
 * The gate: opens connections to the hosts that `egress.allow` names, for workloads that reach them through the proxy,
 * and hands them over. It reads no byte of them, knows no secret and no certificate, and opens no file. The one name
 * that it takes from a workload is judged before it is asked for. One for each supervisor that wants it, which starts it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/credential_codec.h"
#include "egress/gate/gate_codec.h"
#include "egress/gate/gate_rule.h"
#include "egress/gate/opening.h"
#include "names/lookup.h"
#include "net/own_machine.h"
#include "proc/role.h"

struct way {
    struct way *next;
    uint64_t number; /* the supervisor's */
    struct opening *opening;
};

struct rule_list {
    struct gate_rule rules[LIMIT_GATE_RULES];
    size_t n;
};

static struct timeouts timeouts = {.connect = TIMEOUT_CONNECT};
static struct rule_list allowed, coming; /* those in force, and those of which the last has not come yet */
static struct way *ways;                 /* that are being opened */
static size_t n_ways;

static int on_timeouts(void *owner, struct ipc_message *m) {
    (void)owner;
    return timeouts_decode(m, &timeouts);
}

static int on_resolver(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : lookup_init(fd_steal(&fd));
}

static void clear(struct rule_list *list) {
    while (list->n > 0)
        gate_rule_done(&list->rules[--list->n]);
}

/* All of them change at once, when the last is there: no request meets half of them. */
static int on_gate(void *owner, struct ipc_message *m) {
    struct gate_rule rule;
    bool has_rule, is_first, is_last;
    int r = gate_decode(m, &rule, &has_rule, &is_first, &is_last);

    (void)owner;
    if (r < 0)
        return r;
    if (is_first)
        clear(&coming);
    if (has_rule && coming.n == LIMIT_GATE_RULES) {
        gate_rule_done(&rule);
        return -EPROTO;
    }
    if (has_rule)
        coming.rules[coming.n++] = rule;
    if (is_last) {
        clear(&allowed);
        allowed = coming;
        coming.n = 0;
    }
    return 0;
}

static void way_free(struct way *way) {
    for (struct way **at = &ways; *at; at = &(*at)->next)
        if (*at == way) {
            *at = way->next;
            n_ways--;
            break;
        }
    free(way);
}

static void refuse(uint64_t number, enum refusal refusal, struct slice rule, struct slice reason, struct slice hint) {
    struct ipc_writer w = ipc_begin(IPC_WAY_REFUSED);

    ipc_put_u64(&w, number);
    ipc_put_u8(&w, (uint8_t)refusal);
    ipc_put_bytes(&w, rule);
    ipc_put_bytes(&w, reason);
    ipc_put_bytes(&w, hint);
    role_send(&w, -EBADF);
}

static void opened(void *owner, struct opening_end *end) {
    struct way *way = owner;
    struct ipc_writer w;

    if (end->fd < 0) {
        refuse(way->number, end->refusal, end->rule, end->reason, end->hint);
    } else {
        w = ipc_begin(IPC_WAY_OPEN);
        ipc_put_u64(&w, way->number);
        ipc_put_bytes(&w, end->rule);
        role_send(&w, end->fd);
        fd_close(&end->fd);
    }
    way_free(way);
}

static int add_way(uint64_t number, const struct opening_plan *plan) {
    struct way *way = n_ways < LIMIT_CALLS ? calloc(1, sizeof(*way)) : NULL;

    if (!way)
        return -ENOMEM;
    *way = (struct way){.next = ways, .number = number};
    ways = way;
    n_ways++;
    if (opening_start(plan, opened, way, &way->opening) < 0) {
        way_free(way);
        return -ENOMEM;
    }
    return 0;
}

static int on_way(void *owner, struct ipc_message *m) {
    struct opening_plan plan = {.rules = allowed.rules, .n_rules = allowed.n, .timeout_ms = timeouts.connect};
    uint64_t number = ipc_get_u64(m);

    (void)owner;
    plan.host = ipc_get_bytes(m, LIMIT_HOST);
    plan.port = ipc_get_u16(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (add_way(number, &plan) < 0)
        refuse(number, REFUSAL_NO_MEMORY, SLICE_EMPTY, SLICE("too many connections are being opened at once"),
               SLICE_EMPTY);
    return 0;
}

/* It may have been opened meanwhile. */
static int on_closed(void *owner, struct ipc_message *m) {
    uint64_t number = ipc_get_u64(m);
    struct way *way = ways;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    while (way && way->number != number)
        way = way->next;
    if (way) {
        opening_cancel(way->opening);
        way_free(way);
    }
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TIMEOUTS, 1, on_timeouts}, {IPC_RESOLVER, 1, on_resolver}, {IPC_GATE, 1, on_gate},
    {IPC_WAY, 1, on_way},           {IPC_WAY_CLOSED, 1, on_closed},
};

static int prepare(void) {
    own_machine_init();
    return 0;
}

int main(void) {
    const struct role gate = {
        .name = "credfd-gate",
        .seccomp = SECCOMP_GATE,
        .landlock = {.may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = prepare,
    };

    return role_main(&gate);
}
