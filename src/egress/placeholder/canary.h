/*
 * The placeholders of one holder's leases, looked for in what its workload sends: each belongs in its own lease's
 * requests, in the key's place, and nowhere else. Found in every form that egress/mask/mask.h knows. Only looks: changes
 * nothing and decides nothing. The keeper has one for each identity, a relay with a proxy has one.
 */
#pragma once

#include <stdint.h>

#include "egress/mask/mask.h"

struct canary;

/* 0 with `*ret` for canary_unref, or -ENOMEM. */
int canary_new(struct canary **ret);
struct canary *canary_ref(struct canary *canary); /* NULL is fine, here and below */
void canary_unref(struct canary *canary);

/*
 * One more: `text`, of 1 to LIMIT_PLACEHOLDER bytes, belongs to the lease of that number. Not after the first look:
 * -EINVAL then. The same text again stays the first lease's. 0, -EINVAL, -ENOMEM.
 */
int canary_add(struct canary *canary, uint32_t lease, struct slice text);

/* Whether `text`, all of it, holds one: 1 with whose it is, 0, or -ENOMEM. */
int canary_look(struct canary *canary, struct slice text, uint32_t *ret_lease);

/* Overwrites each in `text`, so that it can be told of. It is all there is of it when memory is out. */
void canary_hide(struct canary *canary, char *text, size_t n);

/* A text that comes in pieces. All zero, or begun with NULL, it finds nothing. */
struct canary_stream {
    struct canary *canary;
    struct mask_stream stream;
};

/* Borrows nothing: the stream has its own reference. 0 or -ENOMEM. */
int canary_stream_begin(struct canary_stream *s, struct canary *canary);

/* Harmless when nothing was begun. */
void canary_stream_done(struct canary_stream *s);

/* The next piece. 1 when a placeholder ends in it, with whose it is: then it must not go out. 0; -ENOMEM. */
int canary_stream_look(struct canary_stream *s, struct slice piece, uint32_t *ret_lease);
