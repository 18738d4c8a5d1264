#include "ingress/desk/dispatch.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/desk/dispatch_state.h"

uint64_t dispatch_wall_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One for each processor that this process may run on. */
static uint32_t count_processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : CPU_COUNT(&set);

    return (uint32_t)MIN_OF(MAX_OF(n, 1), LIMIT_WORKERS);
}

static void be_stopped(struct dispatch *dispatch) {
    if (dispatch->is_stopped)
        return;
    dispatch->is_stopped = true;
    timer_cancel(&dispatch->deadline);
    dispatch->owner.stopped(dispatch->owner.owner);
}

static bool is_quiet(const struct dispatch *dispatch) {
    return seats_are_quiet(dispatch) && proofs_are_quiet(dispatch) && errands_are_quiet(&dispatch->errands) &&
           metrics_server_is_quiet(dispatch->metrics_server);
}

/* Once every role has hardened itself and all that they need is there, they get it. Never a moment earlier. */
static void go_on_starting(struct dispatch *dispatch) {
    char error[128];
    int r;

    if (dispatch->is_ready || dispatch->is_told || !seats_are_ready(dispatch) || !proofs_are_there(dispatch))
        return;
    r = seats_serve(dispatch);
    if (ipc_is_gone(r))
        return; /* one has just died, and how is told next */
    if (r < 0) {
        (void)snprintf(error, sizeof(error), "the roles cannot be told what they need: %s", strerror(-r));
        dispatch_fail(dispatch, error);
        return;
    }
    dispatch->is_ready = true;
    announce_place(dispatch);
    announce_start(dispatch);
    succession_serve(dispatch);
    if (!succession_is_waiting(dispatch))
        dispatch_start_metrics(dispatch);
    dispatch->owner.ready(dispatch->owner.owner);
}

void dispatch_go_on(struct dispatch *dispatch) {
    if (dispatch->is_stopping && is_quiet(dispatch))
        be_stopped(dispatch);
    else if (dispatch->is_draining && !dispatch->is_stopping && seats_are_drained(dispatch))
        dispatch_stop(dispatch);
    else if (!dispatch->is_stopping)
        go_on_starting(dispatch);
}

void dispatch_fail(struct dispatch *dispatch, const char *error) {
    if (!dispatch->is_told && !dispatch->is_stopping)
        dispatch->owner.failed(dispatch->owner.owner, error);
    dispatch->is_told = true;
}

static void table_changed(struct table_keeper *keeper) {
    struct dispatch *dispatch = container_of(keeper, struct dispatch, table);

    dispatch_metrics_table(&dispatch->metrics, keeper->table, dispatch_wall_ms());
    people_table(dispatch->people, keeper->table);
    tell_table(dispatch);
    announce_table(dispatch);
}

static void table_failed(struct table_keeper *keeper) {
    struct dispatch *dispatch = container_of(keeper, struct dispatch, table);

    dispatch_metrics_table_failed(&dispatch->metrics, dispatch_wall_ms());
    announce_table(dispatch);
}

static int write_metrics(void *owner, struct buf *to) {
    struct dispatch *dispatch = owner;

    return dispatch_metrics_write(&dispatch->metrics, dispatch->people, to);
}

static void exporter_restarted(void *owner) {
    struct dispatch *dispatch = owner;

    dispatch_metrics_restarted(&dispatch->metrics, DISPATCH_EXPORTER);
}

static void metrics_quiet(void *owner) {
    struct dispatch *dispatch = owner;

    succession_let_go(dispatch);
    dispatch_go_on(dispatch);
}

void dispatch_start_metrics(struct dispatch *dispatch) {
    const struct metrics_owner owner = {
        .write = write_metrics, .restarted = exporter_restarted, .quiet = metrics_quiet, .owner = dispatch};

    dispatch->metrics_server = metrics_server_start(&dispatch->settings->metrics, &owner);
}

static void errands_quiet(void *owner) {
    dispatch_go_on(owner);
}

static int start_table(struct dispatch *dispatch, char **ret_error) {
    const struct dispatch_settings *settings = dispatch->settings;
    int r;

    dispatch->table.recipes =
        (struct table_recipes){.number = recipes_number, .owner = &dispatch->recipes, .fallback = settings->recipe};
    dispatch->table.path = settings->table;
    dispatch->table.look_ms = settings->table_look_ms;
    dispatch->table.changed = table_changed;
    dispatch->table.failed = table_failed;
    r = table_keeper_start(&dispatch->table, ret_error);
    if (r < 0)
        return r;
    dispatch_metrics_table(&dispatch->metrics, dispatch->table.table, dispatch_wall_ms());
    people_table(dispatch->people, dispatch->table.table);
    return 0;
}

static int open_listeners(struct dispatch *dispatch, char **ret_error) {
    struct inherited inherited;
    int r = inherited_take(&inherited, ret_error);

    if (r == 0)
        r = listeners_open(&dispatch->listeners, dispatch->settings, dispatch->n_workers, &inherited, ret_error);
    inherited_done(&inherited);
    return r;
}

static int start(struct dispatch *dispatch, char **ret_error) {
    int r = people_new(&dispatch->people);

    if (r == 0) /* what is wrong with the default is known before anybody comes */
        r = recipes_number(&dispatch->recipes, dispatch->settings->recipe, ret_error);
    if (r >= 0)
        r = start_table(dispatch, ret_error);
    if (r == 0)
        r = open_listeners(dispatch, ret_error);
    if (r == 0)
        r = access_log_open(dispatch, ret_error);
    if (r == 0)
        r = proofs_start(dispatch, ret_error);
    return r == 0 ? seats_start(dispatch, ret_error) : r;
}

int dispatch_start(const struct dispatch_settings *settings, const struct dispatch_owner *owner, struct dispatch **ret,
                   char **ret_error) {
    struct dispatch *dispatch = calloc(1, sizeof(*dispatch));
    int r;

    *ret_error = NULL;
    if (!dispatch)
        return -ENOMEM;
    dispatch->settings = settings;
    dispatch->owner = *owner;
    dispatch->n_workers = settings->workers > 0 ? settings->workers : count_processors();
    dispatch->started_ms = dispatch_wall_ms();
    dispatch->access_log = dispatch->table.fd = dispatch->proofs.digest = -EBADF;
    dispatch->succession = (struct succession){.pidfd = -EBADF, .successor = -EBADF, .predecessor = -EBADF};
    dispatch->errands = (struct errands){.ended = hear_errand_ended, .quiet = errands_quiet, .owner = dispatch};
    succession_take(dispatch);
    r = start(dispatch, ret_error);
    if (r == 0)
        *ret = dispatch;
    else
        dispatch_free(dispatch);
    return r;
}

static bool is_same_listen(const struct dispatch_settings *a, const struct dispatch_settings *b) {
    bool is_same = a->n_listen == b->n_listen && a->workers == b->workers;

    for (size_t i = 0; is_same && i < a->n_listen; i++)
        is_same = strcmp(a->listen[i].text, b->listen[i].text) == 0;
    return is_same;
}

static bool is_same_metrics(const struct metrics_settings *a, const struct metrics_settings *b) {
    return a->listen && b->listen ? strcmp(a->listen, b->listen) == 0 : a->listen == b->listen;
}

static void warn_of_what_stays(const struct dispatch_settings *before, const struct dispatch_settings *now) {
    if (!is_same_listen(before, now))
        log_warning("%s: dispatch.listen or dispatch.workers was changed, which takes effect with a new process: "
                    "restart, or send SIGUSR2",
                    now->path);
    if (!is_same_metrics(&before->metrics, &now->metrics))
        log_warning("%s: metrics was changed, which takes effect with a new process: restart, or send SIGUSR2",
                    now->path);
}

void dispatch_reload(struct dispatch *dispatch, const struct dispatch_settings *settings) {
    _cleanup_free_ char *error = NULL;

    announce_reload_begin(dispatch);
    warn_of_what_stays(dispatch->settings, settings);
    dispatch->settings = settings;
    if (access_log_open(dispatch, &error) < 0)
        log_error("%s; the access log stays as it was", error ? error : "out of memory");
    recipes_reload(&dispatch->recipes);
    proofs_change(dispatch);
    seats_adjust(dispatch);
    tell_settings(dispatch);
    table_keeper_change(&dispatch->table, settings->table, settings->table_look_ms, settings->recipe);
    announce_reload_end(dispatch);
}

static void drain_late(struct timer *timer) {
    dispatch_stop(container_of(timer, struct dispatch, deadline));
}

/* The sockets are closed here; the dispatchers have theirs for as long as somebody waits in the queues. */
void dispatch_drain(struct dispatch *dispatch) {
    struct ipc_writer w;

    if (dispatch->is_draining || dispatch->is_stopping)
        return;
    if (!dispatch->is_ready) {
        dispatch_stop(dispatch);
        return;
    }
    dispatch->is_draining = true;
    succession_cancel(dispatch);
    announce_stop(dispatch);
    w = ipc_begin(IPC_DRAIN);
    ipc_put_u64(&w, dispatch->settings->drain_ms);
    seats_send(dispatch, PEER_DOORMAN, &w, -EBADF);
    seats_send(dispatch, PEER_DISPATCHER, &w, -EBADF);
    seats_send(dispatch, PEER_STEWARD, &w, -EBADF);
    listeners_close(&dispatch->listeners, dispatch->succession.is_served);
    dispatch->deadline.on_expiry = drain_late;
    timer_set(&dispatch->deadline, dispatch->settings->drain_ms + TIMEOUT_DRAIN_LATE);
    dispatch_go_on(dispatch);
}

/* What has become another user cannot be killed, and is not waited for. */
static void stop_late(struct timer *timer) {
    be_stopped(container_of(timer, struct dispatch, deadline));
}

void dispatch_stop(struct dispatch *dispatch) {
    if (dispatch->is_stopping)
        return;
    dispatch->is_stopping = true;
    succession_cancel(dispatch);
    if (!dispatch->is_draining)
        announce_stop(dispatch);
    timer_cancel(&dispatch->watchdog);
    dispatch->deadline.on_expiry = stop_late;
    timer_set(&dispatch->deadline, 2 * TIMEOUT_ROLE_STOP);
    metrics_server_stop(dispatch->metrics_server);
    proofs_stop(dispatch);
    errands_stop(&dispatch->errands);
    seats_stop(dispatch);
    if (is_quiet(dispatch))
        be_stopped(dispatch);
}

/* What a predecessor still serves is not taken from under it. */
static bool is_handed_on(const struct dispatch *dispatch) {
    return dispatch->succession.is_served || (succession_is_waiting(dispatch) && !dispatch->is_ready);
}

void dispatch_free(struct dispatch *dispatch) {
    if (!dispatch)
        return;
    listeners_close(&dispatch->listeners, is_handed_on(dispatch));
    succession_stop(dispatch);
    proofs_stop(dispatch);
    proofs_done(dispatch);
    seats_stop(dispatch);
    table_keeper_stop(&dispatch->table);
    recipes_done(&dispatch->recipes);
    metrics_server_free(dispatch->metrics_server);
    people_free(dispatch->people);
    fd_close(&dispatch->access_log);
    free(dispatch);
}
