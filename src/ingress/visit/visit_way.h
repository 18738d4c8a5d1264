/*
 * The parts of a visit, for each other alone: visit.c begins and ends, visit_way.c is the way to the exchange,
 * visit_response.c what comes back, visit_refusal.c what is said where there is no way, visit_log.c what is written
 * down of it.
 */
#pragma once

#include "ingress/visit/held.h"
#include "ingress/visit/reply.h"
#include "ingress/visit/visit.h"

/* An instance that is being started is asked for again after so many seconds. */
#define AGAIN_S 2

/* visit.c: */

void visit_set_state(struct visit *v, enum visit_state state);

/* The request is over: it stands in the log as `event`, and whatever it held goes back. */
void visit_settle(struct visit *v, const char *event);

/* The request goes no further: `reply`, taken over, is the answer. NULL: there is no memory for one. */
void visit_answer(struct visit *v, struct reply *reply);

/* The same, with a page of `reason`, one of PAGE_*, that is asked for again after `again_s` where that is not 0. */
void visit_refuse(struct visit *v, unsigned status, const char *reason, unsigned again_s);

/* The exchange begins on `client`, taken over; warm: it has had others before. */
void visit_begin_on(struct visit *v, struct client *client, bool is_warm);

/* visit_way.c: */

/* A request has come: answers it, begins its exchange, or waits for what that takes. */
void way_begin(struct visit *v);

/* A connection is needed for the request, or for what was sent already. */
void way_connect(struct visit *v);

/* Something is waited for, no longer than `ms`. */
void way_wait(struct visit *v, enum visit_state state, uint64_t ms);

/* What was waited for did not come in time. */
void way_late(struct visit *v);

/* Waits no longer, and forgets the request. */
void way_stop(struct visit *v);

/* Gives back whom and what it is for. */
void way_release(struct visit *v);

/* visit_response.c: the next event of the answer, 1 or -EAGAIN. */

/* It is the instance's. */
int response_receive(struct visit *v, struct upstream_event *ret);

/* It is ours. */
int reply_receive_next(struct visit *v, struct upstream_event *ret);

/* The time that the instance has for what is waited for now. */
void visit_set_deadline(struct visit *v);

/* visit_log.c: */

/* What is remembered of a request for the log; NULL without memory. */
struct visit_line *visit_line_new(const struct visit *v, const struct request_head *request);
void visit_line_free(struct visit_line *line); /* NULL is fine */

/* One request is over, or has become a tunnel: into the log, and counted. */
void visit_account(struct visit *v, const char *event);
