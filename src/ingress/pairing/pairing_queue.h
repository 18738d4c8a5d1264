/*
 * Who may pair, and when: one mint at a time for each user of the system, so often and no more, so many at once in all.
 * Whoever asks for the same session while it is made gets it too: the same person, at the same instance, under the same
 * host; who asks for another one waits for his turn. Decides nothing about people. The pairer's.
 */
#pragma once

#include "ingress/pairing/pairing.h"
#include "ingress/pairing/pairing_rate.h"

struct pairing_queue;

/* Why none is begun. */
enum pairing_refusal {
    PAIRING_TOO_MANY, /* of this user, in that time */
    PAIRING_NOT_KEPT, /* the browser comes again and again, without the session that it was given */
    PAIRING_DENIED,   /* it comes with it, and the instance denies that it is one */
    PAIRING_REFUSALS
};

/* Valid during `on_outcome`. */
struct pairing_outcome {
    const struct pairing_result *result; /* NULL: no pairing was begun, for this: */
    enum pairing_refusal refusal;
    uint32_t retry_s; /* with PAIRING_TOO_MANY */
};

/* Somebody who wants a session; part of its owner's structure. */
struct pairing_waiter {
    struct pairing_waiter *next; /* among those of the same user */
    struct pairing_user *user;   /* NULL: it waits for nothing */
    struct target *target;       /* the owner's, for as long as it waits */
    uint64_t browser;            /* session_codec.h */
    struct slice names;          /* of the session's cookie, patterns joined by "; "; the owner's */
    struct slice denied;         /* sessions that have come along, and that the instance denies; likewise */
    /* From the loop, or from inside pairing_want. */
    void (*on_outcome)(struct pairing_waiter *waiter, const struct pairing_outcome *outcome);
};

/* What the queue asks of its owner: the commands are run elsewhere. */
struct pairing_queue_ops {
    void (*mint)(uint32_t mint, const struct target *target);
    void (*mint_stop)(uint32_t mint);
    void (*paired)(const struct target *target, const struct pairing_result *result); /* each that has ended */
    /* For the log: once for each user and kind of refusal in LOOP_LOOK, however often it is refused. */
    void (*refused)(const struct target *target, enum pairing_refusal refusal);
};

struct pairing_rules {
    struct pairing_rate rate;
    uint64_t mint_ms;
    struct call_times times;
};

struct pairing_queue *pairing_queue_new(const struct pairing_queue_ops *ops); /* NULL without memory */
void pairing_queue_free(struct pairing_queue *queue);
void pairing_queue_set_rules(struct pairing_queue *queue, const struct pairing_rules *rules);

/* 0, and `on_outcome` comes, or has come, unless pairing_cancel does; -EBUSY when too many wait already, or -ENOMEM. */
int pairing_want(struct pairing_queue *queue, struct target *target, struct pairing_waiter *waiter);
/* That browser has come with a session that lives: it is not sent round and round. */
void pairing_settled(struct pairing_queue *queue, const struct target *target, uint64_t browser);

void pairing_cancel(struct pairing_waiter *waiter); /* the pairing itself goes on */

/*
 * What the supervisor says of a mint that was asked for; `fd` is taken over. 0, also for one that is over by now;
 * -EPROTO for one that nobody has asked for.
 */
int pairing_queue_mint_output(struct pairing_queue *queue, uint32_t mint, int fd);
int pairing_queue_mint_ended(struct pairing_queue *queue, uint32_t mint, enum command_end end, int wait_status);
