#include "fleet/task_plan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static void put_user(struct ipc_writer *w, const struct task_user *user) {
    ipc_put_bytes(w, slice_of_string(user->name));
    ipc_put_u32(w, user->uid);
    ipc_put_u32(w, user->gid);
    ipc_put_u16(w, (uint16_t)user->n_groups);
    for (size_t i = 0; i < user->n_groups; i++)
        ipc_put_u32(w, user->groups[i]);
}

static void put_limits(struct ipc_writer *w, const struct task_limits *limits) {
    ipc_put_u64(w, limits->timeout_ms);
    ipc_put_u64(w, limits->grace_ms);
    ipc_put_u64(w, limits->memory);
    ipc_put_u64(w, limits->cpu_milli);
    ipc_put_u64(w, limits->processes);
    ipc_put_u64(w, limits->output);
    ipc_put_u64(w, limits->output_rate);
}

struct ipc_writer task_plan_encode(const struct task_plan *plan) {
    struct ipc_writer w = ipc_begin(IPC_TASK_PLAN);

    ipc_put_u8(&w, (uint8_t)plan->operation);
    ipc_put_bytes(&w, plan->task_id);
    ipc_put_bytes(&w, plan->trace_id);
    ipc_put_bytes(&w, plan->source_id);
    ipc_put_bytes(&w, plan->workspace);
    ipc_put_bytes(&w, plan->base_url);
    put_user(&w, &plan->user);
    put_limits(&w, &plan->limits);
    return w;
}

/* A text that becomes a string of C: without a NUL. */
static void get_string(struct ipc_message *m, char *to, size_t size) {
    struct slice text = ipc_get_bytes(m, size - 1);

    if (slice_has(text, '\0')) {
        ipc_fail(m);
        return;
    }
    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

static void get_user(struct ipc_message *m, struct task_user *user) {
    get_string(m, user->name, sizeof(user->name));
    user->uid = ipc_get_u32(m);
    user->gid = ipc_get_u32(m);
    user->n_groups = ipc_get_u16(m);
    if (user->n_groups > LIMIT_TASK_GROUPS) {
        user->n_groups = 0;
        ipc_fail(m);
    }
    for (size_t i = 0; i < user->n_groups; i++)
        user->groups[i] = ipc_get_u32(m);
    /* the highest number means "as it is" to the kernel: whoever is named is somebody */
    if (user->name[0] != '\0' && (user->uid == UINT32_MAX || user->gid == UINT32_MAX || user->n_groups == 0))
        ipc_fail(m);
}

static void get_limits(struct ipc_message *m, struct task_limits *limits) {
    limits->timeout_ms = ipc_get_u64(m);
    limits->grace_ms = ipc_get_u64(m);
    limits->memory = ipc_get_u64(m);
    limits->cpu_milli = ipc_get_u64(m);
    limits->processes = ipc_get_u64(m);
    limits->output = ipc_get_u64(m);
    limits->output_rate = ipc_get_u64(m);
    if (limits->timeout_ms == 0 || limits->timeout_ms > TIMEOUT_TASK_MAX)
        ipc_fail(m);
}

int task_plan_decode(struct ipc_message *m, struct task_plan *ret) {
    struct task_plan plan = {0};
    uint8_t operation = ipc_get_u8(m);

    plan.operation = (enum operation)operation;
    plan.task_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    plan.trace_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    plan.source_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    plan.workspace = ipc_get_bytes(m, PATH_MAX - 1);
    plan.base_url = ipc_get_bytes(m, LIMIT_TARGET);
    get_user(m, &plan.user);
    get_limits(m, &plan.limits);
    if (operation >= OPERATION_UNKNOWN || plan.task_id.n == 0 || plan.workspace.n == 0 || plan.workspace.p[0] != '/' ||
        slice_has(plan.workspace, '\0') || slice_has(plan.base_url, '\0'))
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = plan;
    return 0;
}

struct ipc_writer command_rules_encode(const struct command_rules *rules) {
    struct ipc_writer w = ipc_begin(IPC_TASK_RULES);

    ipc_put_u8(&w, rules->allows_all);
    ipc_put_u16(&w, (uint16_t)rules->n);
    for (size_t i = 0; i < rules->n; i++) {
        ipc_put_u8(&w, rules->rules[i].allows);
        ipc_put_u32(&w, (uint32_t)rules->rules[i].line);
        ipc_put_bytes(&w, slice_of_string(rules->rules[i].pattern));
    }
    return w;
}

/* Appends one. A pattern with a NUL in it would be a shorter, and so another one. 0, -EPROTO or -ENOMEM. */
static int get_rule(struct ipc_message *m, struct command_rules *rules) {
    struct command_rule *rule = &rules->rules[rules->n];
    uint8_t allows = ipc_get_u8(m);
    uint32_t line = ipc_get_u32(m);
    struct slice pattern = ipc_get_bytes(m, LIMIT_COMMAND_PATTERN);

    if (m->is_failed || allows > 1 || slice_has(pattern, '\0')) {
        ipc_fail(m);
        return -EPROTO;
    }
    rule->pattern = strndup(pattern.p, pattern.n);
    if (!rule->pattern)
        return -ENOMEM;
    rule->allows = allows == 1;
    rule->line = line;
    rules->n++;
    return 0;
}

int command_rules_decode(struct ipc_message *m, struct command_rules *ret) {
    uint8_t allows_all = ipc_get_u8(m);
    size_t n = ipc_get_u16(m);
    struct command_rules rules = {.allows_all = allows_all == 1};
    int r = 0;

    if (allows_all > 1 || n > LIMIT_COMMAND_RULES)
        ipc_fail(m);
    rules.rules = m->is_failed ? NULL : calloc(n + 1, sizeof(*rules.rules));
    if (!m->is_failed && !rules.rules)
        r = -ENOMEM;
    while (rules.rules && r == 0 && rules.n < n)
        r = get_rule(m, &rules);
    if (ipc_end(m) < 0 && r == 0)
        r = -EPROTO;
    if (r < 0) {
        command_rules_done(&rules);
        return r;
    }
    *ret = rules;
    return 0;
}

void command_rules_done(struct command_rules *rules) {
    for (size_t i = 0; i < rules->n; i++)
        free(rules->rules[i].pattern);
    free(rules->rules);
    *rules = (struct command_rules){0};
}
