#include "ingress/front/verifier_queue.h"

#include <stdlib.h>
#include <string.h>

static void forget(struct waiting *waiting) {
    union {
        const char *seen;
        void *mine;
    } token = {.seen = waiting->token.p};

    explicit_bzero(token.mine, waiting->token.n);
    free(token.mine);
}

bool verifier_queue_add(struct verifier_queue *queue, uint32_t peer, uint32_t question, struct slice token) {
    char *copy = queue->n < LIMIT_ASSERTION_WAITERS && token.n > 0 ? malloc(token.n) : NULL;

    if (!copy)
        return false;
    memcpy(copy, token.p, token.n);
    queue->at[queue->n++] = (struct waiting){peer, question, slice_of(copy, token.n)};
    return true;
}

void verifier_queue_drop(struct verifier_queue *queue, uint32_t peer) {
    size_t kept = 0;

    for (size_t i = 0; i < queue->n; i++) {
        if (queue->at[i].peer == peer)
            forget(&queue->at[i]);
        else
            queue->at[kept++] = queue->at[i];
    }
    queue->n = kept;
}

void verifier_queue_judge(struct verifier_queue *queue,
                          bool (*judge)(uint32_t peer, uint32_t question, struct slice token)) {
    size_t kept = 0;

    for (size_t i = 0; i < queue->n; i++) {
        struct waiting *waiting = &queue->at[i];

        if (judge(waiting->peer, waiting->question, waiting->token))
            forget(waiting);
        else
            queue->at[kept++] = *waiting;
    }
    queue->n = kept;
}
