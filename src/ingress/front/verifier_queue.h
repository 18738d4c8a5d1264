/*
 * Assertions that wait for keys: a bounded number of them, each with the question that it answers. Part of the
 * verifier.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

struct verifier_queue {
    struct waiting {
        uint32_t peer, question; /* which dispatcher asked, and its number for it */
        struct slice token;      /* a copy */
    } at[LIMIT_ASSERTION_WAITERS];
    size_t n;
};

/* False when there is no room. */
bool verifier_queue_add(struct verifier_queue *queue, uint32_t peer, uint32_t question, struct slice token);

/* That dispatcher waits for nothing any more. */
void verifier_queue_drop(struct verifier_queue *queue, uint32_t peer);

/* Calls `judge`, which adds and drops nothing, with each that waits; one for which it says true is taken out. */
void verifier_queue_judge(struct verifier_queue *queue,
                          bool (*judge)(uint32_t peer, uint32_t question, struct slice token));
