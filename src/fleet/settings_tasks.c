#include "fleet/settings_tasks.h"

#include <stddef.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "config/schema.h"
#include "config/value.h"
#include "fleet/settings.h"

#define AT(member) offsetof(struct runner_settings, member)

static int read_count(const struct node *node, void *field) {
    size_t *count = field;
    uint64_t n = 0;
    int r = value_count(node, LIMIT_TASKS, &n);

    if (r == 0)
        *count = (size_t)n;
    return r;
}

static int read_timeout(const struct node *node, void *field) {
    return value_duration(node, TIMEOUT_TASK_MAX, field);
}

static int read_bytes(const struct node *node, void *field) {
    return value_size(node, 1, LIMIT_TASK_BYTES, field);
}

static int read_memory(const struct node *node, void *field) {
    return value_size(node, 16 * 1024 * 1024, LIMIT_TASK_BYTES, field);
}

static int read_cpu(const struct node *node, void *field) {
    uint64_t *cpu_milli = field;
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (slice_ends_with(text, SLICE("m")) && num_parse(slice_of(text.p, text.n - 1), LIMIT_TASK_CPU, cpu_milli) == 0 &&
        *cpu_milli > 0)
        return 0;
    if (num_parse(text, LIMIT_TASK_CPU / 1000, cpu_milli) < 0 || *cpu_milli == 0)
        return node_fail(node, "must be processors: a whole number, or thousandths; write 2 or 500m");
    *cpu_milli *= 1000;
    return 0;
}

static int read_processes(const struct node *node, void *field) {
    return value_count(node, LIMIT_TASK_PROCESSES, field);
}

int settings_read_tasks(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"concurrent", read_count, AT(concurrent)},          {"queue", read_count, AT(queue)},
        {"timeout", read_timeout, AT(limits.timeout_ms)},    {"grace", read_timeout, AT(limits.grace_ms)},
        {"memory", read_memory, AT(limits.memory)},          {"cpu", read_cpu, AT(limits.cpu_milli)},
        {"processes", read_processes, AT(limits.processes)}, {"output", read_bytes, AT(limits.output)},
        {"output_rate", read_bytes, AT(limits.output_rate)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}
