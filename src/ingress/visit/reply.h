/*
 * An answer of our own: status, fields and body, told to the connection as an upstream's events. Made by the visit where
 * a request goes no further.
 */
#pragma once

#include "base/buf.h"
#include "ingress/visit/page.h"
#include "relay/upstream.h"

#define REPLY_FIELDS (LIMIT_SET_COOKIES + 8)

struct reply {
    unsigned status;
    struct http_field fields[REPLY_FIELDS]; /* names are constants; values the reply's own */
    char *values[REPLY_FIELDS];
    size_t n;
    struct buf body;
    const char *reason; /* a constant, for the log */
    bool is_begun;
    size_t told; /* of the body */
};

/* Each returns NULL without memory. */
struct reply *reply_new(unsigned status);
struct reply *reply_text(unsigned status, const char *type, struct slice body);

/* A page with `reason`, one of PAGE_*; asked for again by itself after `again_s` where that is not 0, never kept. */
struct reply *reply_page(unsigned status, const char *reason, enum page_form form, unsigned again_s);
void reply_free(struct reply *reply); /* NULL is fine */

/* 0, -ENOBUFS or -ENOMEM. The value is copied. */
int reply_add(struct reply *reply, struct slice name, struct slice value);

/* The next event, valid until the reply is freed. */
void reply_receive(struct reply *reply, struct upstream_event *ret);
