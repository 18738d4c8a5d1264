/*
 * How the runner does, for people: what `credfd runner status` prints, by way of the control socket; and its numbers, for
 * the metrics. Nothing of a command or of what it printed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/json_line.h"
#include "fleet/desk/runner_state.h"
#include "fleet/json_write.h"

#define TASKS_SHOWN 100

static void write_string(struct json_write *w, struct slice name, const char *text) {
    json_write_text_member(w, name, slice_of_string(text));
}

static void write_time(struct json_write *w, struct slice name, uint64_t unix_ms) {
    char text[JSON_TIME];

    json_format_time(text, unix_ms);
    json_write_text_member(w, name, slice_of(text, sizeof(text)));
}

static void write_link(struct json_write *w, const struct runner *runner) {
    const struct link_seat *seat = &runner->link;

    json_write_bool_member(w, SLICE("connected"), seat->is_up);
    write_string(w, SLICE("url"), runner->first->url);
    write_string(w, SLICE("worknode_id"), seat->worknode_id);
    write_string(w, SLICE("name"), seat->name);
    if (seat->changed_ms > 0)
        write_time(w, seat->is_up ? SLICE("connected_since") : SLICE("down_since"), seat->changed_ms);
    if (seat->again_ms > 0)
        write_time(w, SLICE("next_attempt"), seat->again_ms);
    if (seat->reason[0])
        write_string(w, SLICE("reason"), seat->reason);
    json_write_bool_member(w, SLICE("acks"), seat->has_acks);
    json_write_bool_member(w, SLICE("broker"), seat->says_broker);
    if (runner->gate.why_not[0])
        write_string(w, SLICE("why_not"), runner->gate.why_not);
}

static void write_task(struct json_write *w, const struct task *task, uint64_t now_ms) {
    uint64_t age_ms = now_ms > task->since_ms ? now_ms - task->since_ms : 0;

    json_write_open(w, '{');
    json_write_text_member(w, SLICE("task_id"), task->id);
    if (task->trace.n > 0)
        json_write_text_member(w, SLICE("trace_id"), task->trace);
    write_string(w, SLICE("operation"), operation_name(task->operation));
    json_write_number_member(w, SLICE("seconds"), age_ms / 1000);
    json_write_bool_member(w, SLICE("lease"), task->holder != NULL);
    json_write_close(w, '}');
}

static void write_tasks(struct json_write *w, const struct runner *runner) {
    uint64_t now_ms = runner_wall_ms();
    size_t n = 0;

    json_write_number_member(w, SLICE("running"), runner->n_running);
    json_write_number_member(w, SLICE("queued"), runner->queue.n);
    json_write_bool_member(w, SLICE("stopping"), runner->is_draining || runner->is_stopping);
    json_write_name(w, SLICE("tasks"));
    json_write_open(w, '[');
    for (const struct task *task = runner->oldest; task && n < TASKS_SHOWN; task = task->next, n++)
        write_task(w, task, now_ms);
    json_write_close(w, ']');
}

int runner_write_status(void *owner, struct buf *to) {
    const struct runner *runner = owner;
    struct json_write w = json_write_begin(to);
    struct spool_counts spool = spool_counts(runner->spool);

    json_write_open(&w, '{');
    write_string(&w, SLICE("version"), CREDFD_VERSION);
    write_time(&w, SLICE("since"), runner->started_ms);
    write_link(&w, runner);
    json_write_number_member(&w, SLICE("results"), spool.results);
    json_write_number_member(&w, SLICE("spool_bytes"), spool.bytes);
    json_write_bool_member(&w, SLICE("spool_full"), spool_is_full(runner->spool));
    json_write_bool_member(&w, SLICE("cgroups"), runner->cgroups.parent >= 0);
    write_tasks(&w, runner);
    json_write_close(&w, '}');
    return w.error;
}

int runner_write_metrics(void *owner, struct buf *to) {
    struct runner *runner = owner;
    struct spool_counts spool = spool_counts(runner->spool);

    runner->metrics.running = runner->n_running;
    runner->metrics.queued = runner->queue.n;
    runner->metrics.spool_results = spool.results;
    runner->metrics.spool_bytes = spool.bytes;
    runner->metrics.spool_damaged = spool.damaged;
    return runner_metrics_write(&runner->metrics, to);
}
