#include "fleet/desk/runner_metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/text.h"

static void add_help(struct text *text, const char *name, const char *type, const char *help) {
    text_add(text, "# HELP %s %s\n", name, help);
    text_add(text, "# TYPE %s %s\n", name, type);
}

static void write_outcomes(struct text *text, const struct runner_metrics *metrics) {
    static const char name[] = "credfd_runner_tasks_total";
    static const char *const words[TASK_OUTCOMES] = {
        [TASK_RAN] = "ran",
        [TASK_DENIED] = "denied",
        [TASK_CANCELLED] = "cancelled",
        [TASK_TIMED_OUT] = "timed_out",
        [TASK_FAILED] = "failed",
        [TASK_INTERRUPTED] = "interrupted",
    };

    add_help(text, name, "counter", "Tasks that have ended, by how.");
    for (size_t i = 0; i < TASK_OUTCOMES; i++)
        text_add(text, "%s{outcome=\"%s\"} %" PRIu64 "\n", name, words[i], metrics->outcomes[i]);
    text_add(text, "%s{outcome=\"refused\"} %" PRIu64 "\n", name, metrics->refused);
}

static void write_restarts(struct text *text, const struct runner_metrics *metrics) {
    static const char name[] = "credfd_runner_role_restarts_total";
    static const char *const words[RUNNER_ROLES] = {[RUNNER_LINK] = "link", [RUNNER_RESOLVER] = "resolver"};

    add_help(text, name, "counter", "Processes of the runner that died and were started again.");
    for (size_t i = 0; i < RUNNER_ROLES; i++)
        text_add(text, "%s{role=\"%s\"} %" PRIu64 "\n", name, words[i], metrics->restarts[i]);
}

static void write_seconds(struct text *text, const struct runner_metrics *metrics) {
    static const char name[] = "credfd_runner_task_seconds_total";

    add_help(text, name, "counter", "Time that tasks have run, all together.");
    text_add(text, "%s %" PRIu64 ".%03u\n", name, metrics->task_ms / 1000, (unsigned)(metrics->task_ms % 1000));
}

#define AT(member) offsetof(struct runner_metrics, member)

static const struct family {
    const char *name, *type, *help;
    size_t at;
} families[] = {
    {"credfd_runner_tasks_running", "gauge", "Tasks that run.", AT(running)},
    {"credfd_runner_tasks_queued", "gauge", "Tasks that wait for a slot.", AT(queued)},
    {"credfd_runner_duplicates_total", "counter", "Tasks that were asked for once more, and did not run again.",
     AT(duplicates)},
    {"credfd_runner_tasks_unanswered_total", "counter", "Tasks that were refused without a result: the spool was full.",
     AT(unanswered)},
    {"credfd_runner_printed_bytes_total", "counter", "Bytes that commands have printed.", AT(printed)},
    {"credfd_runner_link_up", "gauge", "Whether the hub is connected.", AT(is_up)},
    {"credfd_runner_link_connects_total", "counter", "Connections to the hub that came about.", AT(connects)},
    {"credfd_runner_results_settled_total", "counter", "Results that the hub has.", AT(settled)},
    {"credfd_runner_spool_results", "gauge", "Results that wait for the hub.", AT(spool_results)},
    {"credfd_runner_spool_bytes", "gauge", "Bytes of them.", AT(spool_bytes)},
    {"credfd_runner_spool_damaged_total", "counter", "Files of the spool that were none of its own.",
     AT(spool_damaged)},
    {"credfd_runner_output_dropped_total", "counter", "Pieces of output for which no hub was there, or too slow a one.",
     AT(outputs_dropped)},
};

static uint64_t value_at(const struct runner_metrics *metrics, size_t at) {
    return *(const uint64_t *)(const void *)((const char *)metrics + at);
}

int runner_metrics_write(const struct runner_metrics *metrics, struct buf *to) {
    struct text text = {.to = to};

    write_outcomes(&text, metrics);
    write_seconds(&text, metrics);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        add_help(&text, families[i].name, families[i].type, families[i].help);
        text_add(&text, "%s %" PRIu64 "\n", families[i].name, value_at(metrics, families[i].at));
    }
    write_restarts(&text, metrics);
    return text.error;
}
