/*
 * What whoever runs a dispatcher is told: one line at the start that says where it listens and whom it believes,
 * whatever the level of the log; and systemd, all along.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "ingress/desk/dispatch_state.h"
#include "proc/notify.h"

static void say_line(const struct dispatch *dispatch) {
    const struct table *table = dispatch->table.table;
    _cleanup_free_ char *places = listeners_describe(&dispatch->listeners, dispatch->settings);
    _cleanup_free_ char *trusted = trust_describe(&dispatch->settings->trust);

    /* at the level that is always shown: a dispatcher that believes the wrong front must not do so in silence */
    log_error("listens at %s; %" PRIu32 " name%s, %" PRIu32 " instance%s, %" PRIu32 " dispatcher%s; believes %s",
              places ? places : "?", table_names(table), table_names(table) == 1 ? "" : "s", table_count(table),
              table_count(table) == 1 ? "" : "s", dispatch->n_workers, dispatch->n_workers == 1 ? "" : "s",
              trusted ? trusted : "?");
    if (geteuid() == 0)
        log_warning("it runs as root, which it has no need of; its roles give up what root may, a user of its own is "
                    "better");
}

/* A successor is the main process once its predecessor has said so, and the predecessor is not, from then on. */
static void tell(const struct dispatch *dispatch, const char *state) {
    const struct succession *succession = &dispatch->succession;

    if (!succession->is_served && (succession->is_main || !succession_is_waiting(dispatch)))
        notify_send(state);
}

static void tell_status(const struct dispatch *dispatch, const char *more) {
    const struct table *table = dispatch->table.table;
    char state[256];

    (void)snprintf(state, sizeof(state), "%sSTATUS=%" PRIu32 " names, %" PRIu32 " instances%s", more,
                   table_names(table), table_count(table),
                   dispatch->table.error ? "; the table's file has a fault" : "");
    tell(dispatch, state);
}

static void watchdog_due(struct timer *timer) {
    tell(container_of(timer, struct dispatch, watchdog), "WATCHDOG=1");
    timer_set(timer, notify_watchdog_ms() / 2);
}

void announce_start(struct dispatch *dispatch) {
    tell_status(dispatch, "READY=1\n");
    if (notify_watchdog_ms() < 2)
        return;
    dispatch->watchdog.on_expiry = watchdog_due;
    watchdog_due(&dispatch->watchdog);
}

void announce_place(const struct dispatch *dispatch) {
    say_line(dispatch);
}

void announce_table(const struct dispatch *dispatch) {
    tell_status(dispatch, "");
}

void announce_reload_begin(const struct dispatch *dispatch) {
    struct timespec now;
    char state[96];

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    tell(dispatch, state);
}

void announce_reload_end(const struct dispatch *dispatch) {
    tell_status(dispatch, "READY=1\n");
}

void announce_stop(const struct dispatch *dispatch) {
    tell(dispatch, "STOPPING=1\nSTATUS=ending what is open");
}
