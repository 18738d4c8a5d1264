/*
 * Heads that must outlive the call that brought them: a request that waits for an answer of another role or for a
 * connection, a response whose document is looked at first. One piece of memory each, wiped when it goes back: there
 * are cookies in it.
 */
#pragma once

#include "relay/upstream.h"

struct held_request {
    struct request_head head;
    struct slice data; /* the first of its body */
    bool is_end;       /* and all of it */
    size_t size;       /* of the whole piece */
};

/* NULL without memory. */
struct held_request *held_request_new(const struct request_head *head, struct slice data, bool is_end);
void held_request_free(struct held_request *held); /* NULL is fine */

struct held_response {
    struct response_head head;
    struct http_field fields[LIMIT_FIELDS]; /* head.fields, for whoever changes them */
    size_t size;
};

struct held_response *held_response_new(const struct response_head *head);
void held_response_free(struct held_response *held);
