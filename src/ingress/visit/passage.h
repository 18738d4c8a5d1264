/*
 * Tunnels that are open between people and their instances: told to the access log when they begin and when they end,
 * counted, and ended when their person is led elsewhere, or at a drain's deadline. Little memory for each.
 */
#pragma once

#include "ingress/visit/place.h"
#include "ingress/visit/visitor.h"
#include "relay/tunnel.h"

/* Whose it is, and by which way it came: copied, but the records, of which references are taken. */
struct passage_way {
    struct visitor *visitor;
    struct place *place;
    struct slice host, path; /* of the request */
    struct slice peer, client;
};

/* Takes both streams over even on failure, as tunnel_new. 0 or -errno. */
int passage_open(const struct passage_way *way, struct stream *client, struct slice from_client,
                 struct stream *upstream, struct slice from_upstream);

/* Ends those whom the table leads elsewhere now, or nowhere. */
void passages_table(const struct table *table);

/* Ends all of them, with a close frame 1001. */
void passages_drain(void);
unsigned passages_count(void);
