#include "fleet/desk/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "fleet/desk/environment.h"
#include "fleet/desk/runner_state.h"

#define TIMEOUT_TASKS (TIMEOUT_TASK_KILL + TIMEOUT_ROLE_STOP) /* at the end, for tasks that are killed */

uint64_t runner_wall_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void be_stopped(struct runner *runner) {
    if (runner->is_stopped)
        return;
    runner->is_stopped = true;
    timer_cancel(&runner->deadline);
    timer_cancel(&runner->spool_again);
    cgroups_stop(&runner->cgroups);
    runner->owner.stopped(runner->owner.owner);
}

void runner_fail(struct runner *runner, const char *error) {
    if (!runner->is_told && !runner->is_stopping)
        runner->owner.failed(runner->owner.owner, error);
    runner->is_told = true;
}

/* Tasks go first: their results are for the spool, and their leases are the broker's. */
static void go_on_stopping(struct runner *runner) {
    if (runner->n_running > 0 || runner->queue.n > 0 || runner->is_stopped)
        return;
    if (!runner->is_ending_roles) {
        runner->is_ending_roles = true;
        timer_cancel(&runner->deadline);
        gate_stop(&runner->gate);
        link_stop(runner);
        broker_stop(runner->broker);
    }
    if (runner->is_broker_stopped && link_is_quiet(runner) && gate_is_quiet(&runner->gate))
        be_stopped(runner);
}

static void settle_late(struct timer *timer) {
    runner_stop(container_of(timer, struct runner, deadline));
}

/* Nothing runs any more: the hub may have a while to take what was made. */
static void go_on_draining(struct runner *runner) {
    if (runner->n_running > 0 || runner->queue.n > 0)
        return;
    if (link_has_settled(runner) || !runner->link.is_up) {
        runner_stop(runner);
    } else if (!runner->is_settling) {
        runner->is_settling = true;
        runner->deadline.on_expiry = settle_late;
        timer_set(&runner->deadline, runner->settings->settle_ms);
    }
}

/* Once every role has hardened itself and the token is there. Never a moment earlier. */
static void go_on_starting(struct runner *runner) {
    char error[128];
    int r;

    if (runner->is_told || !runner->is_broker_ready || !link_is_ready(runner))
        return;
    r = link_serve(runner);
    if (ipc_is_gone(r))
        return; /* it has just died, and how is told next */
    if (r < 0) {
        (void)snprintf(error, sizeof(error), "credfd-link cannot be told what it needs: %s", strerror(-r));
        runner_fail(runner, error);
        return;
    }
    runner->is_ready = true;
    announce_runner(runner);
    announce_ready(runner);
    runner->owner.ready(runner->owner.owner);
}

void runner_go_on(struct runner *runner) {
    if (runner->is_stopping) {
        go_on_stopping(runner);
        return;
    }
    if (!runner->is_ready)
        go_on_starting(runner);
    intake_go_on(runner);
    if (runner->is_draining)
        go_on_draining(runner);
}

void runner_spool_changed(struct runner *runner) {
    link_send_results(runner);
    if (!runner->is_stopped)
        runner_go_on(runner);
}

static void retry_spool(struct timer *timer) {
    struct runner *runner = container_of(timer, struct runner, spool_again);

    if (!spool_retry(runner->spool))
        timer_set(timer, SPOOL_RETRY);
    runner_spool_changed(runner);
}

static void broker_ready(void *owner) {
    struct runner *runner = owner;

    runner->is_broker_ready = true;
    runner_go_on(runner);
}

static void broker_failed(void *owner, const char *error) {
    struct runner *runner = owner;

    if (runner->is_ready)
        log_error("%s", error);
    else
        runner_fail(runner, error);
}

static void broker_stopped(void *owner) {
    struct runner *runner = owner;

    runner->is_broker_stopped = true;
    runner_go_on(runner);
}

static void gate_quiet(void *owner) {
    runner_go_on(owner);
}

static int load_terms(struct runner *runner, struct lease_terms *ret, char **ret_error) {
    const struct runner_settings *settings = runner->settings;
    _cleanup_free_ char *error = NULL;
    int r = lease_terms_load(settings->profile, ret, &error);

    if (r < 0 &&
        asprintf(ret_error, "%s: runner.profile: %s", settings->path ? settings->path : "without a configuration",
                 error ? error : strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

static int start_broker(struct runner *runner, char **ret_error) {
    const struct broker_owner owner = {
        .ready = broker_ready,
        .failed = broker_failed,
        .stopped = broker_stopped,
        .status = runner_write_status,
        .metrics = runner_write_metrics,
        .owner = runner,
    };

    return broker_start(runner->common, NULL, 0, &owner, &runner->broker, ret_error);
}

/* What a command finds in its environment is known once every secret has been taken out of ours. */
static int start(struct runner *runner, char **ret_error) {
    int r = places_check_programs(ret_error);

    if (r == 0)
        r = places_open(runner, ret_error);
    if (r < 0)
        return r;
    cgroups_start(&runner->cgroups, spool_directory(runner->spool));
    places_fit_descriptors(runner);
    r = load_terms(runner, &runner->terms, ret_error);
    if (r == 0)
        r = start_broker(runner, ret_error);
    if (r == 0)
        r = link_start(runner, ret_error);
    if (r == 0)
        r = environment_write((const char *const *)environ, runner->first->user ? getpwnam(runner->first->user) : NULL,
                              &runner->environment);
    if (r == 0)
        timer_set(&runner->spool_again, 0);
    return r;
}

static void refuse_more(struct timer *timer) {
    intake_refuse_waiting(container_of(timer, struct runner, refusing));
}

int runner_start(const struct runner_settings *settings, const struct settings *common,
                 const struct runner_ability *ability, const struct runner_owner *owner, struct runner **ret,
                 char **ret_error) {
    struct runner *runner = calloc(1, sizeof(*runner));
    int r;

    *ret_error = NULL;
    if (!runner)
        return -ENOMEM;
    runner->first = runner->settings = settings;
    runner->common = common;
    runner->owner = *owner;
    runner->started_ms = runner->numbered = runner_wall_ms(); /* numbers of cgroups are never used again */
    runner->link = (struct link_seat){.runner = runner, .sealed = -EBADF, .bundle = -EBADF, .ca = -EBADF};
    runner->link.key.fd = runner->cgroups.own = runner->cgroups.parent = -EBADF;
    runner->spool_again.on_expiry = retry_spool;
    runner->refusing.on_expiry = refuse_more;
    buf_init(&runner->environment, LIMIT_TASK_ENVIRONMENT);
    gate_init(&runner->gate, ability);
    runner->gate.answered = link_gate_answered;
    runner->gate.quiet = gate_quiet;
    runner->gate.owner = runner;
    r = start(runner, ret_error);
    if (r == 0)
        *ret = runner;
    else
        runner_free(runner);
    return r;
}

static bool is_same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void warn_of_what_stays(const struct runner_settings *first, const struct runner_settings *now) {
    const struct {
        const char *name;
        bool is_same;
    } rows[] = {
        {"url", is_same_text(first->url, now->url)},
        {"ca_file", is_same_text(first->ca_file, now->ca_file)},
        {"workspace", is_same_text(first->workspace, now->workspace)},
        {"spool", is_same_text(first->spool, now->spool) && first->spool_bytes == now->spool_bytes},
        {"user", is_same_text(first->user, now->user)},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!rows[i].is_same)
            log_warning("runner.%s was changed, which takes effect with a new process: restart", rows[i].name);
}

static void change_terms(struct runner *runner) {
    _cleanup_free_ char *error = NULL;
    struct lease_terms terms;

    if (load_terms(runner, &terms, &error) < 0) {
        log_error("%s; leases go on as they were", error ? error : "out of memory");
        return;
    }
    lease_terms_done(&runner->terms); /* each lease has a copy */
    runner->terms = terms;
}

void runner_reload(struct runner *runner, const struct runner_settings *settings, const struct settings *common) {
    announce_runner_reload(runner, true);
    warn_of_what_stays(runner->first, settings);
    runner->settings = settings;
    runner->common = common;
    log_set_level(settings->log_level);
    change_terms(runner);
    places_fit_descriptors(runner);
    broker_reload(runner->broker, common);
    link_change(runner);
    log_info("the configuration was read again: it counts for tasks that begin from now on");
    announce_runner_reload(runner, false);
    runner_go_on(runner);
}

static void cancel_all(struct runner *runner, enum cancel_reason reason) {
    for (struct task *task = runner->oldest, *next; task; task = next) {
        next = task->next;
        task_cancel(task, reason);
    }
}

static void grace_over(struct timer *timer) {
    cancel_all(container_of(timer, struct runner, deadline), CANCEL_ENDING);
}

void runner_drain(struct runner *runner) {
    if (runner->is_draining || runner->is_stopping)
        return;
    if (!runner->is_ready) {
        runner_stop(runner);
        return;
    }
    runner->is_draining = true;
    announce_runner_stop();
    log_info("it is stopping: %zu tasks run and have %" PRIu64 " s, %zu wait and are refused", runner->n_running,
             runner->settings->limits.grace_ms / 1000, runner->queue.n);
    runner->deadline.on_expiry = grace_over;
    timer_set(&runner->deadline, runner->settings->limits.grace_ms);
    intake_refuse_waiting(runner);
}

/* What does not even die in this time is left behind; its cgroup is the next runner's to clean up. */
static void stop_late(struct timer *timer) {
    struct runner *runner = container_of(timer, struct runner, deadline);

    for (struct task *task = runner->oldest, *next; task; task = next) {
        next = task->next;
        task_kill(task);
    }
    timer_set(timer, TIMEOUT_ROLE_STOP);
}

void runner_stop(struct runner *runner) {
    if (runner->is_stopping)
        return;
    runner->is_stopping = true;
    if (!runner->is_draining)
        announce_runner_stop();
    timer_cancel(&runner->watchdog);
    runner->deadline.on_expiry = stop_late;
    timer_set(&runner->deadline, TIMEOUT_TASKS);
    intake_refuse_waiting(runner);
    cancel_all(runner, CANCEL_NOW);
    runner_go_on(runner);
}

void runner_free(struct runner *runner) {
    if (!runner)
        return;
    link_stop(runner);
    link_done(runner);
    broker_free(runner->broker);
    cgroups_stop(&runner->cgroups);
    lease_terms_done(&runner->terms);
    name_index_done(&runner->tasks);
    if (runner->spool)
        spool_close(runner->spool);
    buf_release(&runner->environment);
    free(runner->task_place);
    free(runner);
}
