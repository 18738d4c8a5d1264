/*
 * Whether the hub may be told that keys reach commands as leases here: only where this build and this kernel can, and
 * the CLI that tasks use knows a lease. The CLI is asked (fleet/probe) once, and again when its file has become another.
 * Says in the log what it finds, once. Used by the desk, before each connection.
 */
#pragma once

#include "fleet/desk/cli_look.h"
#include "fleet/desk/runner.h"
#include "fleet/probe/probe.h"

#define GATE_REASON 256

struct gate {
    struct runner_ability ability;
    void (*answered)(void *owner, bool can_broker);
    void (*quiet)(void *owner); /* after gate_stop: nothing of it runs any more */
    void *owner;
    struct probe probe;
    struct cli_look asked;
    bool is_known; /* `asked` has answered */
    bool is_wanted, is_stopping, is_told;
    bool can_broker;
    char why_not[GATE_REASON]; /* empty when it can */
};

void gate_init(struct gate *gate, const struct runner_ability *ability);

/* `answered` is called once, perhaps before it returns; asked again before that, it answers once. `cli` may be NULL. */
void gate_ask(struct gate *gate, const char *cli);

void gate_stop(struct gate *gate);
static inline bool gate_is_quiet(const struct gate *gate) {
    return !probe_is_running(&gate->probe);
}
