#include "ingress/steward/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "ingress/peer_role.h"
#include "ingress/steward/ward.h"
#include "proc/role.h"

struct question {
    struct instance_call *ask; /* NULL: this place is free */
    uint32_t instance;
    uint64_t began_ms;
};

static const struct table *table;
static char *paths[LIMIT_RECIPES];
static struct question questions[LIMIT_HEALTH_ASKED];
static uint32_t *numbers; /* of the instances that are asked in this round */
static size_t n_numbers, at;
static uint64_t began_ms, period_ms;
static struct timer next;

static void round_over(void) {
    free(numbers);
    numbers = NULL;
    n_numbers = at = 0;
}

static void tell(uint32_t instance, enum health health, uint64_t took_ms) {
    struct ipc_writer w = ipc_begin(IPC_HEALTH);

    ipc_put_u64(&w, table_number(table));
    ipc_put_u32(&w, instance);
    ipc_put_u8(&w, (uint8_t)health);
    ipc_put_u32(&w, (uint32_t)MIN_OF(took_ms, (uint64_t)UINT32_MAX));
    role_send(&w, -EBADF);
}

static const char *path_of(const struct instance *instance) {
    const char *path = instance->recipe < LIMIT_RECIPES ? paths[instance->recipe] : NULL;

    return path ? path : "";
}

/* An answer of any kind but a server's failure is one: a login page will do, so will a 404, and so will one too long. */
static enum health judge(const struct call_answer *answer, bool is_connection_enough) {
    if (is_connection_enough)
        return answer->end == CALL_ANSWERED ? HEALTH_UP : HEALTH_DOWN;
    return answer->status >= 100 && answer->status < 500 ? HEALTH_UP : HEALTH_DOWN;
}

static void ask_more(void);

static void answered(void *owner, const struct call_answer *answer) {
    struct question *question = owner;
    struct instance instance;

    question->ask = NULL;
    if (table_instance(table, question->instance, &instance))
        tell(question->instance, judge(answer, *path_of(&instance) == '\0'), loop_now_ms() - question->began_ms);
    ask_more();
}

/* False without memory. */
static bool ask_one(struct question *question, uint32_t number) {
    struct instance instance;

    if (!table_instance(table, number, &instance))
        return true;
    question->instance = number;
    question->began_ms = loop_now_ms();
    return ask_start(&instance, slice_of_string(path_of(&instance)), TIMEOUT_HEALTH, answered, question,
                     &question->ask) == 0;
}

static void ask_more(void) {
    bool is_asking = false;

    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        while (!questions[i].ask && at < n_numbers)
            if (!ask_one(&questions[i], numbers[at++]))
                at = n_numbers; /* the next round may have the memory */
        is_asking = is_asking || questions[i].ask;
    }
    if (!is_asking)
        round_over();
}

static void add(uint32_t number) {
    numbers[n_numbers++] = number;
}

static void add_if_used(struct ward *ward) {
    if (loop_now_ms() - ward->use.last_ms < HEALTH_USED)
        add(ward->instance.number);
}

void health_ask(void) {
    uint32_t n = table ? table_count(table) : 0;

    if (numbers || n == 0 || (began_ms > 0 && loop_now_ms() - began_ms < HEALTH_SOONEST))
        return;
    numbers = calloc(MAX_OF(n, (uint32_t)LIMIT_WARDS), sizeof(*numbers));
    if (!numbers)
        return;
    began_ms = loop_now_ms();
    for (uint32_t i = 0; n <= LIMIT_HEALTH_ALL && i < n; i++)
        add(i);
    if (n > LIMIT_HEALTH_ALL)
        ward_each(add_if_used);
    ask_more();
}

static void due(struct timer *timer) {
    health_ask();
    timer_set(timer, period_ms);
}

void health_set_period(uint64_t ms) {
    if (ms == period_ms)
        return;
    period_ms = ms;
    next.on_expiry = due;
    if (ms > 0)
        timer_set(&next, ms);
    else
        timer_cancel(&next);
}

void health_set_table(const struct table *new_table) {
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        instance_call_cancel(questions[i].ask);
        questions[i].ask = NULL;
    }
    round_over();
    table = new_table;
    began_ms = 0;
}

int health_set_path(uint8_t number, const char *path) {
    char *copy = path ? strdup(path) : NULL;

    if (path && !copy)
        return -ENOMEM;
    free(paths[number]);
    paths[number] = copy;
    return 0;
}
