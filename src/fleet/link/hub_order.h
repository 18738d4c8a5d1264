/*
 * The args of a task.request as an order: types are strict, names that nobody knows are passed over. Copies nothing but
 * what is decoded. Used by hub_message.c.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "fleet/order.h"

struct hub_order {
    struct order order;    /* looks into the JSON, and into `content` */
    struct buf content;    /* of a write */
    struct slice key;      /* of a credential; empty: there is none. Looks into the JSON: whoever copies it wipes it */
    struct slice base_url; /* as the hub said it */
};

/* Sets `fault` of `size` to a sentence for the hub that names what is wrong, or to "". hub_order_done frees it either way. */
void hub_order_read(enum operation operation, const json_t *args, struct hub_order *ret, char *fault, size_t size);
void hub_order_done(struct hub_order *order);
