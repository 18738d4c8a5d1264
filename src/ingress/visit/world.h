/*
 * What a dispatcher's process knows: whom it trusts, the table, the kinds of instances, and what it has counted. The one
 * global of the role: filled by dispatcher.c from the supervisor's messages, read for every request, never by a peer's
 * will.
 */
#pragma once

#include "ingress/desk/tally.h"
#include "ingress/front/front.h"
#include "ingress/pairing/recipe.h"
#include "ingress/table/table.h"
#include "relay/connection.h"

/* A recipe lives for as long as somebody uses it, also when another has taken its place. */
struct kind {
    unsigned refs;
    struct recipe recipe;
};

struct visit_world {
    struct front front;
    struct table *table;     /* NULL until the first has come */
    struct kind *kinds[256]; /* by number */
    struct exchange_rules rules;
    struct connection_timeouts timeouts;
    struct tally tally;
    bool is_draining;
    void (*gone)(void); /* a connection, a tunnel or a probe has ended; may be NULL */
};

extern struct visit_world world;

/* What counts from now on. */
void world_set_front(const struct front *front);

/* Takes `recipe` over, even on failure. 0 or -ENOMEM. */
int world_set_recipe(struct recipe *recipe);

/* Takes the reference. */
void world_set_table(struct table *table);

/* A reference of the caller's, or NULL: there is none of that number. */
struct kind *kind_ref(uint8_t number);
void kind_unref(struct kind *kind); /* NULL is fine */

/* What is counted goes to the supervisor in TALLY_EVERY. Whoever changes a number says so. */
struct tally *world_count(void);

/* A request that is over. */
void world_count_request(unsigned status, uint64_t duration_us, uint64_t bytes_in, uint64_t bytes_out);

/* Sends now what was counted. */
void world_tell(void);

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t world_now_us(void);
