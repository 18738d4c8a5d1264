#include "fleet/desk/gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"

static void say(const struct gate *gate) {
    if (gate->can_broker)
        log_info("broker mode is on: %s knows the lease channel; commands get leases, and no keys", gate->asked.path);
    else
        log_warning("broker mode is off: %s; the hub puts keys into the environment of commands", gate->why_not);
}

/* `why_not` is empty for a yes. */
static void answer(struct gate *gate, const char *why_not) {
    bool is_news = !gate->is_told || strcmp(gate->why_not, why_not) != 0;

    (void)snprintf(gate->why_not, sizeof(gate->why_not), "%s", why_not);
    gate->can_broker = gate->why_not[0] == '\0';
    if (is_news)
        say(gate);
    gate->is_told = true;
    gate->is_wanted = false;
    gate->answered(gate->owner, gate->can_broker);
}

static _printf_(2, 3) void answer_no(struct gate *gate, const char *format, ...) {
    char why_not[GATE_REASON];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why_not, sizeof(why_not), format, arguments);
    va_end(arguments);
    answer(gate, why_not);
}

static void probed(struct probe *probe, const char *why_not) {
    struct gate *gate = container_of(probe, struct gate, probe);

    if (gate->is_stopping) {
        gate->quiet(gate->owner);
        return;
    }
    gate->is_known = true;
    if (why_not)
        answer_no(gate, "%s version --json: %s", gate->asked.path, why_not);
    else
        answer(gate, "");
}

void gate_init(struct gate *gate, const struct runner_ability *ability) {
    *gate = (struct gate){.ability = *ability};
}

void gate_ask(struct gate *gate, const char *cli) {
    struct cli_look found = {0};
    int r;

    if (gate->is_wanted || gate->is_stopping)
        return;
    gate->is_wanted = true;
    if (!gate->ability.can_broker) {
        answer_no(gate, "%s", gate->ability.why_not ? gate->ability.why_not : "this machine cannot serve leases");
        return;
    }
    if (!cli) {
        gate->is_known = false;
        answer_no(gate, "no runner.cli is configured");
        return;
    }
    r = cli_find(cli, getenv("PATH"), &found);
    if (r < 0) {
        gate->is_known = false;
        answer_no(gate, "runner.cli %s: %s", cli, strerror(-r));
        return;
    }
    if (gate->is_known && cli_is_same(&found, &gate->asked)) {
        char why_not[GATE_REASON];

        memcpy(why_not, gate->why_not, sizeof(why_not));
        answer(gate, why_not);
        return;
    }
    gate->asked = found;
    gate->is_known = false;
    r = probe_start(&gate->probe, gate->asked.path, probed, gate);
    if (r < 0)
        answer_no(gate, "%s cannot be asked: %s", gate->asked.path, strerror(-r));
}

void gate_stop(struct gate *gate) {
    gate->is_stopping = true;
    probe_kill(&gate->probe);
}
