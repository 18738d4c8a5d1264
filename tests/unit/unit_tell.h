/*
 * For tests of the link without a supervisor: what it would be told stands here, the last of each, and how often.
 */
#pragma once

#include <stdio.h>

#include "fleet/link/tell.h"
#include "unit.h"

static struct {
    unsigned wants, ups, downs, tasks, cancels, n_settled;
    bool acknowledges;
    char worknode_id[64], name[64], reason[256], task_id[LIMIT_TASK_ID + 1], key[64], fault[LIMIT_REASON];
    uint64_t retry_ms;
    struct {
        uint64_t number;
        bool is_acknowledged;
    } settled[256];
} told;

static void keep_text(char *to, size_t size, struct slice text) {
    (void)snprintf(to, size, "%.*s", SLICE_ARG(text));
}

void tell_wants(void) {
    told.wants++;
}

void tell_up(bool acknowledges, struct slice worknode_id, struct slice name) {
    told.ups++;
    told.acknowledges = acknowledges;
    keep_text(told.worknode_id, sizeof(told.worknode_id), worknode_id);
    keep_text(told.name, sizeof(told.name), name);
}

void tell_down(uint64_t retry_ms, const char *reason) {
    told.downs++;
    told.retry_ms = retry_ms;
    keep_text(told.reason, sizeof(told.reason), slice_of_string(reason));
}

void tell_task(const struct hub_message *request) {
    told.tasks++;
    keep_text(told.task_id, sizeof(told.task_id), request->task_id);
    keep_text(told.key, sizeof(told.key), request->order.key);
    keep_text(told.fault, sizeof(told.fault), slice_of_string(request->fault));
}

void tell_cancel(struct slice task_id) {
    told.cancels++;
    keep_text(told.task_id, sizeof(told.task_id), task_id);
}

void tell_settled(uint64_t number, bool is_acknowledged) {
    assert_true(told.n_settled < ARRAY_LEN(told.settled));
    told.settled[told.n_settled].number = number;
    told.settled[told.n_settled++].is_acknowledged = is_acknowledged;
}

static inline bool is_told(const void *counter_is) {
    const struct {
        const unsigned *counter;
        unsigned is;
    } *wanted = counter_is;

    return *wanted->counter >= wanted->is;
}

/* Until that has been told so often. */
#define await_told(what, times)                                                                                        \
    do {                                                                                                               \
        const struct {                                                                                                 \
            const unsigned *counter;                                                                                   \
            unsigned is;                                                                                               \
        } wanted_ = {&told.what, (times)};                                                                             \
        loop_until(is_told, &wanted_);                                                                                 \
    } while (0)
