/*
 * Tasks on their way in: each is known by its id from the moment it is accepted, so that one that comes twice runs once;
 * it waits for its turn, or is refused with a result that says why.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "fleet/desk/runner_state.h"

#define REFUSED_A_TURN 32

void task_log(enum log_level level, struct slice id, struct slice trace, const char *format, ...) {
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (trace.n > 0)
        log_line(level, "task %.*s (trace %.*s): %s", SLICE_ARG(id), SLICE_ARG(trace), text);
    else
        log_line(level, "task %.*s: %s", SLICE_ARG(id), text);
}

static struct record record_of(const struct task_request *request) {
    return (struct record){
        .at_ms = runner_wall_ms(),
        .operation = request->operation,
        .task_id = request->task_id,
        .trace_id = request->trace_id,
        .source_id = request->source_id,
    };
}

static void drop_descriptors(const struct task_request *request) {
    int order = request->order, key = request->key;

    fd_close(&order);
    fd_close(&key);
}

/* A hub that asks on and on and takes no result: what it is refused with would fill the disk. */
static bool has_room_for_refusal(const struct runner *runner) {
    return spool_counts(runner->spool).bytes <= runner->first->spool_bytes + LIMIT_REFUSALS;
}

/* Whether a line about what a hub asks for in vain may be written: where there were too many they are counted. */
static bool may_say(struct runner *runner) {
    struct line_count *lines = &runner->lines;

    if (loop_now_ms() - lines->since_ms >= HUB_LINES_EVERY) {
        if (lines->n > LIMIT_HUB_LINES)
            log_warning("%u more lines about tasks that were refused, or known already, were not written",
                        lines->n - LIMIT_HUB_LINES);
        *lines = (struct line_count){.since_ms = loop_now_ms()};
    }
    return ++lines->n <= LIMIT_HUB_LINES;
}

static void say_refused(struct runner *runner, struct slice id, struct slice trace, const char *error) {
    runner->metrics.refused++;
    if (may_say(runner))
        task_log(LOG_WARNING, id, trace, "refused: %s", error);
}

static void refuse(struct runner *runner, const struct task_request *request, const char *error) {
    const struct record begun = record_of(request);

    say_refused(runner, request->task_id, request->trace_id, error);
    drop_descriptors(request);
    if (!has_room_for_refusal(runner)) {
        runner->metrics.unanswered++;
        return;
    }
    (void)spool_refuse(runner->spool, &begun, error); /* what cannot be written is kept, and tried again */
    runner_spool_changed(runner);
}

/*
 * It was accepted before: it runs once, and its result is sent when it is there, or again. Of a refusal the hub may not
 * have known when it asked: it gets it again too.
 */
static void take_again(struct runner *runner, const struct task_request *request, enum spool_state state) {
    const char *what = "it is known: its result will be sent";

    runner->metrics.duplicates++;
    drop_descriptors(request);
    if (state == SPOOL_RESULT)
        (void)spool_again(runner->spool, request->task_id);
    if (state == SPOOL_SENT)
        what = spool_again(runner->spool, request->task_id) == 0 ? "it was done: its result is sent again"
                                                                 : "it was done, and its result is kept no longer";
    if (may_say(runner))
        task_log(LOG_INFO, request->task_id, request->trace_id, "asked for once more: %s", what);
    link_send_results(runner);
}

static struct slice put_text(char **to, struct slice text) {
    char *at = *to;

    if (text.n > 0)
        memcpy(at, text.p, text.n);
    at[text.n] = '\0';
    *to += text.n + 1;
    return slice_of(at, text.n);
}

/* Of the key's server, as wire/uri.h takes it: the hub may write a slash at its end. */
static struct slice without_slash(struct slice url) {
    return slice_ends_with(url, SLICE("/")) ? slice_first(url, url.n - 1) : url;
}

static struct task *task_new(struct runner *runner, const struct task_request *request) {
    struct slice base_url = without_slash(request->base_url);
    struct task *task =
        calloc(1, sizeof(*task) + request->task_id.n + request->trace_id.n + request->source_id.n + base_url.n + 4);
    char *texts;

    if (!task)
        return NULL;
    texts = task->texts;
    task->runner = runner;
    task->operation = request->operation;
    task->id = put_text(&texts, request->task_id);
    task->trace = put_text(&texts, request->trace_id);
    task->source = put_text(&texts, request->source_id);
    task->base_url = put_text(&texts, base_url);
    task->order = task->key = -EBADF;
    task->is_leased = request->is_leased;
    return task;
}

static void leave_running(struct task *task) {
    struct runner *runner = task->runner;

    if (task->before)
        task->before->next = task->next;
    else
        runner->oldest = task->next;
    if (task->next)
        task->next->before = task->before;
    else
        runner->newest = task->before;
    runner->n_running--;
}

void task_free(struct task *task) {
    struct runner *runner = task->runner;

    timer_cancel(&task->late);
    if (task->stage == TASK_WAITS_TURN)
        queue_remove(&runner->queue, &task->turn);
    else
        leave_running(task);
    if (task->has_cgroup)
        cgroups_remove(&runner->cgroups, task->number);
    name_index_remove(&runner->tasks, &task->by_id);
    fd_close(&task->order);
    fd_close(&task->key);
    free(task);
    runner_go_on(runner);
}

/* Known and in the queue, or neither. */
static int enqueue(struct task *task) {
    struct runner *runner = task->runner;
    int r = name_index_add(&runner->tasks, &task->by_id, task->id);

    if (r < 0)
        return r;
    r = queue_add(&runner->queue, &task->turn, task->source);
    if (r < 0)
        name_index_remove(&runner->tasks, &task->by_id);
    return r;
}

static int accept_task(struct runner *runner, const struct task_request *request) {
    const struct record begun = record_of(request);
    struct task *task = task_new(runner, request);
    int r = task ? enqueue(task) : -ENOMEM;

    if (r == 0) {
        r = spool_accept(runner->spool, &begun);
        if (r < 0) {
            queue_remove(&runner->queue, &task->turn);
            name_index_remove(&runner->tasks, &task->by_id);
        }
    }
    if (r < 0) {
        free(task);
        return r;
    }
    task->order = request->order;
    task->key = request->key;
    task->since_ms = begun.at_ms;
    return 0;
}

static bool is_whole(const struct task_request *request) {
    return request->order >= 0 && (request->key >= 0 || !request->has_key);
}

static void take_new(struct runner *runner, const struct task_request *request) {
    char error[LIMIT_REASON + 1];
    int r;

    if (request->fault.n > 0) {
        (void)snprintf(error, sizeof(error), "%.*s", SLICE_ARG(request->fault));
        refuse(runner, request, error);
        return;
    }
    if (runner->is_draining || runner->is_stopping) {
        refuse(runner, request, "runner is stopping");
        return;
    }
    r = is_whole(request) ? accept_task(runner, request) : -ENOBUFS;
    if (r == 0) {
        runner_go_on(runner);
        return;
    }
    (void)snprintf(error, sizeof(error), "runner is busy: %zu tasks wait", runner->queue.n);
    refuse(runner, request, r == -ENOBUFS ? error : "runner is busy: it has no memory");
}

void intake_take(struct runner *runner, const struct task_request *request) {
    enum spool_state state = spool_find(runner->spool, request->task_id);

    if (state == SPOOL_UNKNOWN || WEAKENED(TWICE))
        take_new(runner, request);
    else
        take_again(runner, request, state);
}

void intake_cancel(struct runner *runner, struct slice task_id) {
    struct name_place *place = name_index_find(&runner->tasks, task_id);

    if (place)
        task_cancel(container_of(place, struct task, by_id), CANCEL_ASKED);
    else
        log_debug("task %.*s: it is not here to be cancelled", SLICE_ARG(task_id));
}

/* Said once, and once when it is over: tasks wait meanwhile, for no reason that shows elsewhere. */
static bool has_room(struct runner *runner) {
    bool is_full = spool_is_full(runner->spool);

    if (is_full && !runner->is_spool_full)
        log_warning("the spool is full (%" PRIu64 " results of %" PRIu64 " bytes wait for the hub): no task begins",
                    spool_counts(runner->spool).results, spool_counts(runner->spool).bytes);
    else if (!is_full && runner->is_spool_full)
        log_info("the spool has room again: tasks begin");
    runner->is_spool_full = is_full;
    return !is_full;
}

static bool may_begin(struct runner *runner) {
    return has_room(runner) && runner->is_ready && !runner->is_draining && !runner->is_stopping &&
           runner->n_running < runner->max_running && runner->n_starting < LIMIT_STARTING;
}

/* One that fails at once leaves its slot to the next: it comes by here again, further down. */
void intake_go_on(struct runner *runner) {
    struct turn *turn;

    if (runner->is_beginning)
        return;
    runner->is_beginning = true;
    while (may_begin(runner) && (turn = queue_take(&runner->queue)) != NULL)
        task_begin(container_of(turn, struct task, turn));
    runner->is_beginning = false;
}

static void refuse_waiting(struct task *task) {
    struct runner *runner = task->runner;
    const char *error = "runner is stopping";

    say_refused(runner, task->id, task->trace, error);
    (void)spool_refuse_accepted(runner->spool, task->id, error);
    task_free(task);
}

/* Each is written to the disk: a few at a time, so that the rest goes on. */
void intake_refuse_waiting(struct runner *runner) {
    struct turn *turn;

    for (unsigned n = 0; n < REFUSED_A_TURN && (turn = queue_take(&runner->queue)) != NULL; n++)
        refuse_waiting(container_of(turn, struct task, turn));
    if (runner->queue.n > 0)
        timer_set(&runner->refusing, 1);
    runner_spool_changed(runner);
}
