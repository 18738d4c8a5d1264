/*
 * A response that something may be added to (app.h), as events: its head is kept back until that is decided, then head
 * and pieces come out one by one. Called by the visit, between the instance's events and the connection.
 */
#pragma once

#include "relay/upstream.h"

struct addition;

/*
 * The instance's response has begun; `fields` is where `response->fields` points to, and both may be changed. NULL when
 * nothing will be added (or without memory): then the response goes on by itself.
 */
struct addition *addition_new(const char *head, bool is_head, struct response_head *response,
                              struct http_field *fields);
void addition_free(struct addition *addition); /* NULL is fine */

/* More of the body. Its events must be pulled before the next piece comes: they look into it. */
void addition_push(struct addition *addition, struct slice data, bool is_end);

/* The next event of what was pushed. False: there is none. */
bool addition_pull(struct addition *addition, struct upstream_event *ret);
