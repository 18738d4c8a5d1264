/*
 * What whoever runs a runner is told: a line at the start, and the service manager, all along.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "fleet/desk/runner_state.h"
#include "proc/notify.h"

static const char *describe_rules(const struct command_rules *rules) {
    if (rules->allows_all)
        return "every command is allowed";
    return rules->n > 0 ? "commands are allowed by rules" : "no command is allowed: there is no rule";
}

void announce_runner(const struct runner *runner) {
    const struct runner_settings *settings = runner->settings;

    log_info("takes tasks from %s: %zu at once, %zu may wait; workspace %s, spool %s; %s", settings->url,
             runner->max_running, runner->queue.max, settings->workspace, settings->spool,
             describe_rules(&settings->permission));
    if (geteuid() == 0 && !settings->user)
        log_warning("it runs as root, and so does every task: name a user in runner.user, or run it as one");
}

static void tell_status(const struct runner *runner, const char *more) {
    const struct link_seat *seat = &runner->link;
    char state[LIMIT_REASON + 256];

    (void)snprintf(state, sizeof(state), "%sSTATUS=%s%s%s; %zu tasks run, %zu wait", more,
                   seat->is_up ? "connected" : "not connected", seat->reason[0] ? ": " : "", seat->reason,
                   runner->n_running, runner->queue.n);
    notify_send(state);
}

static void watchdog_due(struct timer *timer) {
    struct runner *runner = container_of(timer, struct runner, watchdog);

    tell_status(runner, "WATCHDOG=1\n");
    timer_set(timer, notify_watchdog_ms() / 2);
}

void announce_ready(struct runner *runner) {
    tell_status(runner, "READY=1\n");
    if (notify_watchdog_ms() < 2)
        return;
    runner->watchdog.on_expiry = watchdog_due;
    watchdog_due(&runner->watchdog);
}

void announce_status(const struct runner *runner) {
    if (runner->is_ready && !runner->is_draining && !runner->is_stopping)
        tell_status(runner, "");
}

void announce_runner_reload(const struct runner *runner, bool is_begin) {
    struct timespec now;
    char state[96];

    if (!is_begin) {
        tell_status(runner, "READY=1\n");
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    notify_send(state);
}

void announce_runner_stop(void) {
    notify_send("STOPPING=1\nSTATUS=ending what runs");
}
