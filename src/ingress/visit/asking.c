#include "ingress/visit/asking.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static struct question **bucket_of(struct asking *asking, uint32_t number) {
    return &asking->open[number % ASKING_BUCKETS];
}

static void take_out(struct question **at) {
    struct question *question = *at;

    *at = question->next;
    question->next = NULL;
    question->is_open = false;
}

/* Whoever is told may ask again at once: that one finds the channel closed. */
static void fail_all(struct asking *asking) {
    for (size_t i = 0; i < ASKING_BUCKETS; i++)
        while (asking->open[i]) {
            struct question *question = asking->open[i];

            take_out(&asking->open[i]);
            question->answered(question, NULL);
        }
}

static void role_gone(void *owner, int reason) {
    if (reason != 0)
        log_error("a role that was asked broke the rules of its channel, which is closed: %s", strerror(-reason));
    fail_all(owner);
}

int asking_init(struct asking *asking, int fd, const struct ipc_permit *permits, size_t n_permits) {
    channel_done(&asking->channel);
    fail_all(asking);
    return channel_init(&asking->channel, fd, permits, n_permits, 1, asking, role_gone);
}

uint32_t asking_open(struct asking *asking, struct question *question) {
    struct question **bucket;

    question->number = ++asking->last;
    question->is_open = true;
    bucket = bucket_of(asking, question->number);
    question->next = *bucket;
    *bucket = question;
    return question->number;
}

void asking_close(struct asking *asking, struct question *question) {
    struct question **at;

    if (!question->is_open)
        return;
    at = bucket_of(asking, question->number);
    while (*at != question)
        at = &(*at)->next;
    take_out(at);
}

int asking_send(struct asking *asking, struct question *question, const struct ipc_writer *w) {
    int r = channel_send(&asking->channel, w, -EBADF);

    if (r < 0)
        asking_close(asking, question);
    return r;
}

struct question *asking_find(struct asking *asking, uint32_t number, bool stays) {
    struct question **at = bucket_of(asking, number), *question;

    while (*at && (*at)->number != number)
        at = &(*at)->next;
    question = *at;
    if (question && !stays)
        take_out(at);
    return question;
}
