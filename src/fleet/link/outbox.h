/*
 * What the hub is to be told of tasks, in the order in which the supervisor said it: output, and results. Knows which
 * results the hub has, by its word or because it has answered a ping that went out behind them. Output is dropped, and
 * counted, where the hub does not take it; a result never is: what is lost with the link, the supervisor sends again.
 * Used by talk.c.
 */
#pragma once

#include "fleet/link/frames.h"
#include "fleet/link/hub_message.h"

struct outbox_item;

struct outbox {
    struct outbox_item *first, **end;
    size_t backlog;   /* bytes of output among them */
    size_t n_results; /* among them, or sent and not settled */
    struct {
        uint64_t number, place; /* the first of a connection is sent at place 1 */
        char task_id[LIMIT_TASK_ID + 1];
    } sent[LIMIT_UNSETTLED];
    size_t n_sent;
    uint64_t place, asked; /* of the result sent last; up to which one a ping asks that is under way, or 0 */
    bool by_word;          /* the hub acknowledges: nothing else settles */
    char (*received)[LIMIT_TASK_ID + 1]; /* by the hub, before this connection */
    size_t n_received;
    uint64_t lost, lost_bytes; /* output, since some was taken last */
};

void outbox_init(struct outbox *outbox);

/* The link is lost, and what waits with it. */
void outbox_reset(struct outbox *outbox);

/* What the welcome says of results. */
void outbox_welcome(struct outbox *outbox, const struct hub_message *welcome);

void outbox_add_output(struct outbox *outbox, struct slice task_id, enum task_stream stream, struct slice text);

/* Output came while there was no link. */
void outbox_lose_output(struct outbox *outbox, struct slice text);

/* `record`, the outbox's from now on, is what fleet/spool/record.h writes. 0, -EPROTO (more than LIMIT_UNSETTLED) or -ENOMEM. */
int outbox_add_result(struct outbox *outbox, uint64_t number, struct slice task_id, int record);

/* Sends as much as the hub takes. 0, or -errno: it cannot go on. */
int outbox_send(struct outbox *outbox, struct frames *frames);

void outbox_acknowledge(struct outbox *outbox, struct slice task_id);
void outbox_take_pong(struct outbox *outbox, struct slice payload);
